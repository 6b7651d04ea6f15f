// The kernels of generation over the vector interface V. Kernel internal.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/decode.h"
#include "kernels/gemm_finish_inl.h"

namespace cllm::kernels {

// How far ahead weights are asked into the second level cache. Rows of a weight matrix are too
// short for the processor's own prefetch to run ahead: without this, int8 rows of 768 are read at a
// third of the bandwidth. Picked rows are not followed by what is wanted next.
inline constexpr int64_t kDecodeAhead = int64_t{64} << 10;

// R rows of activations times J rows of weights. One accumulator per element, so that its bits do
// not depend on R and J: these give the processor its independent chains.
template <class V, int R, int J, class W>
struct DecodeBlock {
  using F = typename V::Float;
  const float* a[R];
  const W* b[J];
  F sum[R][J];

  // Rows and columns beyond the call's repeat its last.
  DecodeBlock(const DecodeDots& t, int64_t row, int64_t column) {
    for (int r = 0; r < R; ++r)
      a[r] = t.a + (row + r < t.rows ? row + r : t.rows - 1) * t.a_row;
    for (int j = 0; j < J; ++j) {
      const int64_t at = column + j < t.columns ? column + j : t.columns - 1;
      b[j] = static_cast<const W*>(t.b) + (t.pick != nullptr ? t.pick[at] : at) * t.b_row;
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (int j = 0; j < J; ++j)
        sum[r][j] = V::zero();
    }
  }

  template <class Load>
  [[gnu::always_inline]] void step(Load load) {
    F y[J];
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j)
      y[j] = load(b[j]);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F x = load(a[r]);
#pragma GCC unroll 16
      for (int j = 0; j < J; ++j)
        sum[r][j] = V::fma(x, y[j], sum[r][j]);
    }
  }

  void prefetch(int64_t p) const {
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j)
      __builtin_prefetch(reinterpret_cast<const char*>(b[j] + p) + kDecodeAhead, 0, 2);
  }
};

// sums [R, J], row stride kColumns.
template <class V, int R, int J, class W>
void decode_block(const DecodeDots& t, int64_t row, int64_t column, float* sums) {
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(W));
  constexpr int64_t kStride = kLine > V::kLanes ? kLine : V::kLanes;
  DecodeBlock<V, R, J, W> block(t, row, column);
  int64_t p = 0;
  for (; p + kStride <= t.k; p += kStride) {
    if (t.pick == nullptr) block.prefetch(p);
#pragma GCC unroll 4
    for (int64_t i = p; i < p + kStride; i += V::kLanes)
      block.step([i](const auto* from) { return V::load(from + i); });
  }
  for (; p + V::kLanes <= t.k; p += V::kLanes)
    block.step([p](const auto* from) { return V::load(from + p); });
  const int64_t left = t.k - p;
  if (left > 0) block.step([p, left](const auto* from) { return V::load_partial(from + p, left); });
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j)
      sums[r * DecodeKernels::kColumns + j] = V::reduce_add(block.sum[r][j]);
  }
}

// J rows of weights at a time for all rows of activations, so that later ones find them in a cache.
template <class V, int J, class W>
void decode_columns(const DecodeDots& t, float* sums) {
  for (int64_t j = 0; j < t.columns; j += J) {
    int64_t row = 0;
    const auto at = [&] { return sums + row * DecodeKernels::kColumns + j; };
    for (; t.rows - row > 2; row += 4)
      decode_block<V, 4, J, W>(t, row, j, at());
    if (t.rows - row == 2) decode_block<V, 2, J, W>(t, row, j, at());
    if (t.rows - row == 1) decode_block<V, 1, J, W>(t, row, j, at());
  }
}

template <class V, class W>
void decode_dots(const DecodeDots& t) {
  constexpr int64_t kColumns = DecodeKernels::kColumns;
  constexpr int kAccumulators = V::kLanes == 16 ? 16 : 8;
  alignas(64) float own[DecodeKernels::kSums];
  float* sums = t.sums != nullptr ? t.sums : own;
  if (t.rows == 1)
    decode_columns<V, 8, W>(t, sums);
  else if (t.rows == 2)
    decode_columns<V, kAccumulators / 2, W>(t, sums);
  else
    decode_columns<V, kAccumulators / 4, W>(t, sums);
  if constexpr (std::is_same_v<W, int8_t>) {
    for (int64_t r = 0; r < t.rows; ++r)
      for (int64_t j = 0; j < t.columns; j += V::kLanes) {
        float* at = sums + r * kColumns + j;
        V::store(at, V::mul(gemm_load<V>(t.scale + j, t.columns - j), V::load(at)));
      }
  }
  if (t.sums == nullptr) gemm_finish<V>(t.result, t.rows, t.columns, sums, kColumns);
}

template <class V, class W>
void decode_expand(int64_t n, const void* b, float scale, bool add, float* y) {
  const auto* from = static_cast<const W*>(b);
  const auto factor = V::set(scale);
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const auto x = gemm_load<V>(from + i, n - i);
    gemm_store<V>(y + i, n - i,
                  add ? V::fma(factor, x, gemm_load<V>(y + i, n - i)) : V::mul(factor, x));
  }
}

template <class V>
constexpr DecodeKernels make_decode_kernels() {
  return {{decode_dots<V, float>, decode_expand<V, float>},
          {decode_dots<V, Bf16>, decode_expand<V, Bf16>},
          {decode_dots<V, int8_t>, decode_expand<V, int8_t>}};
}

}  // namespace cllm::kernels
