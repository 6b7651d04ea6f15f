// How a product is cut into chunks, tasks and cache blocks. Internal to ops/gemm.
#pragma once

#include <cstdint>

#include "ops/gemm.h"

namespace cllm::ops {

inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

inline int64_t round_up(int64_t a, int64_t unit) {
  return ceil_div(a, unit) * unit;
}

// Words between neighbouring strips, or rows of A, beyond what they hold: a cache line, so that
// those of a power of two do not fall into the same sets of a cache.
inline constexpr int64_t kGemmPadding = 16;

// Elements of depth in a step.
inline int64_t elements_per_step(Compute compute) {
  return compute == Compute::kBf16 ? 2 : 1;
}

// The cut of the depth decides the bits of C, so it is a function of the depth only: a block is
// summed in order, then added to the blocks before it.
struct DepthCut {
  explicit DepthCut(int64_t steps);
  int64_t steps;   // of the whole depth
  int64_t block;   // of a block; the last may be shorter
  int64_t blocks;  // at least 1
};

// The cuts of m and n, and what is packed together. They never touch the bits of C, so they may
// depend on the caches.
struct GemmCut {
  GemmCut(const Context& context, const Gemm& call, const DepthCut& depth);

  // Operands are packed once for all tasks, in chunks between barriers; else each task packs for
  // itself what is not in the layout of the kernels.
  bool shared;
  int64_t chunk_rows, chunk_columns, chunk_blocks;  // whole tasks, and blocks of depth
  int64_t rows, columns;                            // of a task; in whole register tiles
};

// The parts of the scratch, in floats.
struct GemmSpace {
  explicit GemmSpace(const GemmBlocking& blocking);
  int64_t worker() const { return of_a + of_b + of_sums; }
  int64_t of_a, of_b, of_sums;  // of a task: a packed block of A and of B, the sums
  int64_t shared;               // of a packed chunk of A, and as much of B
};

}  // namespace cllm::ops
