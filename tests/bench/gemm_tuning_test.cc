#include "bench/gemm_tuning.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cllm::bench {
namespace {

TEST(GemmTuning, KeepsTheComputedSizeUnlessAnotherIsClearlyFaster) {
  const std::vector<ops::GemmBlocking> candidates = ops::GemmBlocking::candidates();
  ASSERT_GE(candidates.size(), 2u);
  const ops::GemmBlocking computed = ops::GemmBlocking::computed();
  const ops::GemmBlocking other = candidates[0] == computed ? candidates[1] : candidates[0];
  const auto rates = [&](double of_other) {
    std::vector<double> all;
    for (const ops::GemmBlocking& candidate : candidates)
      all.push_back(candidate == other ? of_other : candidate == computed ? 100 : 50);
    return all;
  };
  EXPECT_EQ(choose_fastest(candidates, rates(90)), computed);
  EXPECT_EQ(choose_fastest(candidates, rates(100.5)), computed);
  EXPECT_EQ(choose_fastest(candidates, rates(103)), other);
  EXPECT_EQ(choose_fastest(candidates, rates(NAN)), computed);
}

}  // namespace
}  // namespace cllm::bench
