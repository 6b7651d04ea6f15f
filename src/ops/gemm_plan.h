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

// Whether A can be read without packing, as far as its depth is whole steps.
bool is_words(Compute compute, const Gemm& call);

// Up to this many multiply-adds (some microseconds on one core) threads do not pay.
inline constexpr int64_t kSerialWork = 1 << 18;

// The cut of the depth decides the bits of C, so it is a function of the shape only: a block is
// summed in order, then added to the blocks before it. It is the same for a packed B.
struct DepthCut {
  // steps: of the whole depth.
  DepthCut(const Gemm& call, int64_t steps);
  int64_t steps;
  int64_t block;   // steps of a block; the last may be shorter
  int64_t blocks;  // at least 1
  // dW of a small layer, long and with few tiles of C: its blocks are made for different tasks.
  bool split;
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

// The parts of the scratch, in floats: at least what the product's cuts need, and never less for
// more rows, columns or depth, so that what is planned for a product serves a smaller one.
struct GemmSpace {
  GemmSpace(const Context& context, Compute compute, const Gemm& call);
  int64_t worker() const { return of_a + of_b + of_sums; }
  int64_t of_a, of_b, of_sums;  // of a task: a packed block of A and of B, the sums
  int64_t shared;               // of a packed chunk of A, and behind it one of B
};

// The tasks of a split depth: each makes a part of C from one block. They never touch the bits of
// C. Sizes in floats.
struct SplitCut {
  SplitCut(const Context& context, const Gemm& call, const DepthCut& depth);
  int64_t worker() const { return of_a + of_b; }
  int64_t rows, columns;  // of a task; in whole register tiles
  int64_t of_a, of_b;     // a packed block of a task
  int64_t slot;           // the sums of a block
  int64_t together;       // blocks between two barriers; all but the first have a slot
};

// Scratch of a product whose depth is split, or of the largest such that is smaller than this one;
// 0 if there is none.
int64_t split_space(const Context& context, Compute compute, const Gemm& call);

}  // namespace cllm::ops
