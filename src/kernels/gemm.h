// Kernels of the matrix product: packing into strips, the register tile with its fused epilogue,
// and the dot-product tile for products of few rows. Blocking and threads are the business of
// ops/gemm.
//
// Packed operands are made of 32-bit words. A word is one element as fp32 or, where the CPU
// multiplies pairs of bf16, a pair: elements 2p (low half) and 2p + 1 of the depth, the last one
// padded with zero. A "step" is one word deep: k elements are k steps of fp32, ceil(k / 2) of bf16.
#pragma once

#include <cstdint>

#include "kernels/philox.h"
#include "kernels/storage.h"

namespace cllm::kernels {

// The *Backward forms multiply by the derivative at `auxiliary`. The two of SwiGLU change the
// width: see GemmResult and GemmSwiglu.
enum class Activation {
  kNone,
  kGelu,
  kRelu2,
  kGeluBackward,
  kRelu2Backward,
  kSwiglu,
  kSwigluBackward
};

// Which elements are dropped: element (r, j) of c is element first + r * row + j of the mask, as in
// RowKernels::dropout. No dropout if threshold is 0.
struct GemmDropout {
  PhiloxStream stream;
  uint32_t threshold = 0;
  float scale = 1;
  int64_t first = 0, row = 0;
};

// Where a finished tile goes: c(r, j) = epilogue(sum(r, j)), rounded once to `storage`, where, in
// this order,
//   value += bias[j]; auxiliary(r, j) = value (forward activations only);
//   value = activation(value); value = dropout(value); value += residual(r, j).
// Null pointers leave their step out. auxiliary and residual have the type and row stride of c and
// may equal c. Elements outside rows x columns are neither read nor written.
// kSwigluBackward: auxiliary(r, j) is the gate, auxiliary(r, half + j) the up of the forward; the
// value is the gradient of their product, c(r, j) and c(r, half + j) become those of the two.
// Neither dropout nor residual.
struct GemmResult {
  Storage storage = Storage::kFp32;  // of c, auxiliary and residual
  void* c = nullptr;                 // [rows, columns], row stride ldc
  int64_t ldc = 0;
  const float* bias = nullptr;
  Activation activation = Activation::kNone;  // not kSwiglu
  void* auxiliary = nullptr;
  int64_t half = 0;
  GemmDropout dropout;
  const void* residual = nullptr;
};

// The way out of two tiles of sums: c = silu(gate) * up, then dropout and residual of `result`,
// with gate = gate_sums + result.bias, up = up_sums + up_bias. result.auxiliary, if not null, is
// the gate's [rows, columns] with row stride auxiliary_row; the up lies result.half elements
// further.
struct GemmSwiglu {
  int64_t rows = 0, columns = 0;
  const float* gate_sums = nullptr;  // row stride sums_row, readable to the next whole vector
  const float* up_sums = nullptr;
  int64_t sums_row = 0;
  const float* up_bias = nullptr;
  int64_t auxiliary_row = 0;
  GemmResult result;
};

// One tile: sum(r, j) = start(r, j) + the sum over p < steps of A(r, p) B(p, j). With `sums` the
// tile stops there and stores a full tile of fp32, else it is finished into `result`.
struct GemmTile {
  int64_t rows = 0;         // 1..GemmKernels::rows
  int64_t columns = 0;      // 1..GemmKernels::strip * GemmKernels::strips
  int64_t steps = 0;        // >= 0
  const void* a = nullptr;  // words, of any alignment: A(r, p) at byte r * a_row + p * a_step
  int64_t a_row = 0;
  int64_t a_step = 0;
  const float* b = nullptr;  // words: B(p, j) = b[j / strip * b_strip + p * b_step + j % strip],
  int64_t b_step = 0;        // readable up to the next whole strip of columns
  int64_t b_strip = 0;
  const float* start = nullptr;  // [rows, columns], row stride start_stride; null is 0
  int64_t start_stride = 0;
  float* sums = nullptr;  // [GemmKernels::rows][strip * strips], may equal start
  bool prefetch = false;  // c, which pays if it is far: 3 % of a product whose C is in memory, and
                          // costs as much where it is in the second level cache
  GemmResult result;
};

// Few rows times B transposed in memory: sum(r, j) = sum over p < k of a[r * a_row + p] *
// b[j * b_row + p], always in fp32.
struct GemmDots {
  int64_t rows = 0;     // 1..GemmKernels::kDotRows
  int64_t columns = 0;  // 1..GemmKernels::kDotColumns
  int64_t k = 0;
  const void* a = nullptr;
  Storage a_storage = Storage::kFp32;
  int64_t a_row = 0;
  const float* b = nullptr;
  int64_t b_row = 0;
  GemmResult result;
};

// From elements S to words. Strips are [steps][GemmKernels::strip], strip_stride words apart.
template <class S>
struct GemmPacking {
  // ceil(count / strip) strips = the first `count` columns of b [k, count], row stride ldb; the
  // columns beyond are zero. count >= 1.
  void (*columns)(int64_t k, int64_t count, const S* b, int64_t ldb, float* strips,
                  int64_t strip_stride);
  // The same from b stored as [count, k].
  void (*columns_transposed)(int64_t k, int64_t count, const S* b, int64_t ldb, float* strips,
                             int64_t strip_stride);
  // words [count][steps], row_stride words apart, from a [count, k].
  void (*rows)(int64_t k, int64_t count, const S* a, int64_t lda, float* words, int64_t row_stride);
  // From a stored as [k, count]: ceil(count / GemmKernels::rows) blocks [steps][GemmKernels::rows],
  // block_stride words apart; rows beyond count are zero.
  void (*rows_transposed)(int64_t k, int64_t count, const S* a, int64_t lda, float* blocks,
                          int64_t block_stride);
};

// The kernels of one kind of word.
struct GemmWords {
  GemmPacking<float> fp32;
  GemmPacking<Bf16> bf16;
  GemmPacking<Fp16> fp16;  // null for pairs of bf16
  // The register tile. Each element is summed in the order of p, then added to start.
  void (*tile)(const GemmTile& tile);

  template <class S>
  constexpr const GemmPacking<S>& of() const {
    if constexpr (kStorageOf<S> == Storage::kFp32)
      return fp32;
    else if constexpr (kStorageOf<S> == Storage::kBf16)
      return bf16;
    else
      return fp16;
  }
};

struct GemmKernels {
  static constexpr int64_t kDotRows = 16;
  static constexpr int64_t kDotColumns = 16;

  int64_t rows;     // of a full register tile
  int64_t strip;    // columns of a strip
  int64_t strips;   // of a full register tile
  GemmWords fp32;   // words of fp32
  GemmWords pairs;  // words of two bf16; all null without such an instruction
  // For products so low that packing B would cost more than the product: each element is a dot
  // product, summed in V::kLanes interleaved parts.
  void (*dots)(const GemmDots& dots);
  void (*finish_swiglu)(const GemmSwiglu& call);
};

}  // namespace cllm::kernels
