// How large the tasks of a matrix product are: what one core computes at a time, from one packed
// block of each operand. A function of the caches, or measured (`cllm bench gemm --tune`). It never
// touches the bits of a result.
#pragma once

#include <cstdint>
#include <vector>

namespace cllm::ops {

struct GemmBlocking {
  int64_t side = 0;  // rows and columns of C in a task, a multiple of kGemmSideUnit

  // The largest side for which a block of A, one of B and the sums fill three quarters of the
  // second level cache.
  static GemmBlocking computed();
  // The sides around it that are worth a measurement, itself included, in rising order.
  static std::vector<GemmBlocking> candidates();

  bool operator==(const GemmBlocking&) const = default;
};

// All register tiles divide it.
inline constexpr int64_t kGemmSideUnit = 48;
// A tile of the gate and one of the up (SwiGLU).
inline constexpr int64_t kLeastGemmSide = 2 * kGemmSideUnit;
// Of a second level cache of 8 MiB.
inline constexpr int64_t kLargestGemmSide = 24 * kGemmSideUnit;

// Deepest block of a product, in words (fp32, or pairs of bf16): 8 rows of A (12 KiB) stay in the
// first level cache. The same everywhere, since the cut of the depth decides the bits.
inline constexpr int64_t kGemmSteps = 384;

}  // namespace cllm::ops
