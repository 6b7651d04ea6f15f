// Generation: few rows of fp32 activations times a matrix stored as fp32, bf16 or int8 (see
// kernels/decode.h), read once for all rows; and the rest of a token's way that has no counterpart
// in training: gathered embeddings and attention of one token per sequence, each at its position.
#pragma once

#include <cstdint>
#include <span>

#include "ops/context.h"
#include "ops/gemm.h"

namespace cllm::ops {

using kernels::WeightType;

// A stored matrix; not owned.
struct DecodeMatrix {
  WeightType type = WeightType::kFp32;
  const void* data = nullptr;    // [out, in] without gaps
  const float* scale = nullptr;  // [out], int8 only
  int64_t out = 0, in = 0;
  int64_t limit = 0;  // of a lattice: exact_limit() of ops/lattice_table.h
  // Element `in` i of row o.
  const void* row(int64_t o) const {
    return static_cast<const char*>(data) + o * in * kernels::weight_bytes(type);
  }
};

// data, scale = w [out, in], rounded to nearest; an int8 row's largest magnitude is 127 steps. A
// row with a NaN or an infinity becomes NaN. scale is written for int8 only. Threaded.
DecodeMatrix store_matrix(const Context& context, WeightType type, int64_t out, int64_t in,
                          const float* w, void* data, float* scale);

// w [out, in] = the matrix as fp32. Threaded.
void expand(const Context& context, const DecodeMatrix& matrix, float* w);

// The most rows for which decode() is meant and its callers use it.
inline constexpr int64_t kDecodeRows = kernels::DecodeKernels::kRows;

// y = epilogue(x W^T), x [N, in], y [N, out] (kSwiglu: [N, out / 2]) without gaps; N at most
// kDecodeRows. Threaded over rows of W. The bits of a row of y depend on its row of x, the matrix
// and the kernel table: not on N, nor on threads.
void decode(const Context& context, const DecodeMatrix& matrix, int64_t N, const float* x, float* y,
            const Epilogue& epilogue);

// y [rows] = the products of x [in] with the given rows of the matrix: the bits that decode() gives
// them. Threaded over them.
void decode_rows(const Context& context, const DecodeMatrix& matrix, std::span<const int32_t> rows,
                 const float* x, float* y);

// x [B T, in] = the rows `tokens` of the table + the rows of the position table from
// first_positions[b] on; that table may be null.
void gather(const Context& context, int64_t T, std::span<const int32_t> tokens,
            const DecodeMatrix& table, std::span<const int64_t> first_positions,
            const DecodeMatrix* position_table, float* x);

// x [B T, in] += the rows of the position table from first_positions[b] on, of B sequences.
void add_positions(const Context& context, int64_t T, std::span<const int64_t> first_positions,
                   const DecodeMatrix& position_table, float* x);

// x [rows, in] += the given rows of the table.
void gather_add(const Context& context, std::span<const int32_t> rows, const DecodeMatrix& table,
                float* x);

// One sequence's keys and values of a layer, [tokens, K, D] each, row_stride apart. The last token
// is the one that asks.
struct CachedRows {
  const float* k = nullptr;
  const float* v = nullptr;
  int64_t row_stride = 0;
  int64_t tokens = 0;
};
struct CachedAttention {
  int64_t H = 0, K = 0, D = 0;
  float scale = 0;
};

// out [B, H, D] = attention of one query token per sequence, q [B, H, D] with rows q_stride apart.
// Threaded over sequences and heads; each has the bits of ops::attention_forward with T = 1.
void attend_cached(const Context& context, const CachedAttention& shape, const float* q,
                   int64_t q_stride, std::span<const CachedRows> sequences, float* out);

}  // namespace cllm::ops
