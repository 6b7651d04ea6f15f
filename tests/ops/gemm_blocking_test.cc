#include "ops/gemm_blocking.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace cllm::ops {
namespace {

TEST(GemmBlocking, TheComputedSizeIsAmongItsCandidates) {
  const std::vector<GemmBlocking> candidates = GemmBlocking::candidates();
  EXPECT_EQ(std::count(candidates.begin(), candidates.end(), GemmBlocking::computed()), 1);
  int64_t last = 0;
  for (const GemmBlocking& candidate : candidates) {
    EXPECT_GT(candidate.side, last);
    EXPECT_GE(candidate.side, kLeastGemmSide);
    EXPECT_LE(candidate.side, kLargestGemmSide);
    EXPECT_EQ(candidate.side % kGemmSideUnit, 0);
    last = candidate.side;
  }
}

}  // namespace
}  // namespace cllm::ops
