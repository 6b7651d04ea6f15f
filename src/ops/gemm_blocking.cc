#include "ops/gemm_blocking.h"

#include <algorithm>

#include "threads/machine.h"

namespace cllm::ops {

GemmBlocking GemmBlocking::computed() {
  const int64_t floats = level2_bytes() / 4 * 3 / static_cast<int64_t>(sizeof(float));
  int64_t side = kLeastGemmSide;
  for (int64_t next = side;
       next <= kLargestGemmSide && 2 * next * kGemmSteps + next * next <= floats;
       next += kGemmSideUnit)
    side = next;
  return {side};
}

std::vector<GemmBlocking> GemmBlocking::candidates() {
  std::vector<GemmBlocking> found;
  const int64_t middle = computed().side / kGemmSideUnit;
  for (const int64_t units : {middle / 2, middle - 1, middle, middle + 1, middle * 3 / 2}) {
    const GemmBlocking next{std::clamp(units * kGemmSideUnit, kLeastGemmSide, kLargestGemmSide)};
    if (found.empty() || found.back().side < next.side) found.push_back(next);
  }
  return found;
}

}  // namespace cllm::ops
