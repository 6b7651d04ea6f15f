// The templates behind kernels/gemm.h, over the vector interface V and the word M. Kernel internal.
// The register tile is R rows times N vectors of accumulators; per step it loads N vectors of B and
// broadcasts R words of A (Goto & van de Geijn 2008, section 6; tile shapes after Low et al.,
// "Analytical modeling is enough for high-performance BLIS", 2016).
#pragma once

#include <cstdint>

#include "kernels/gemm.h"
#include "kernels/gemm_dots_inl.h"
#include "kernels/gemm_finish_inl.h"
#include "kernels/gemm_pack_inl.h"

namespace cllm::kernels {

// Words of fp32: how a tile multiplies them.
template <class V>
struct GemmFp32 {
  using Float = typename V::Float;
  static Float multiply_add(Float a, Float b, Float sum) { return V::fma(a, b, sum); }
};

template <class V>
typename V::Float gemm_broadcast(const char* word) {
  float x;
  __builtin_memcpy(&x, word, sizeof x);
  return V::set(x);
}

// A full tile without an epilogue goes from registers to C.
template <class V, class S, int R, int N>
[[gnu::always_inline]] inline void gemm_store_tile(typename V::Float (&sum)[R][N], S* c,
                                                   int64_t ldc) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v)
      V::store(c + r * ldc + v * V::kLanes, sum[r][v]);
  }
}

template <class V, int N>
bool gemm_is_plain(const GemmTile& t) {
  return t.columns == N * V::kLanes && t.result.bias == nullptr &&
         t.result.activation == Activation::kNone && t.result.residual == nullptr &&
         t.result.dropout.threshold == 0;
}

template <class V, int R, int N>
[[gnu::always_inline]] inline void gemm_finish_tile(const GemmTile& t,
                                                    typename V::Float (&sum)[R][N]) {
  constexpr int64_t kStride = GemmShape<V>::kColumns;
  if (t.sums != nullptr) return gemm_store_tile<V>(sum, t.sums, kStride);
  const GemmResult& out = t.result;
  if (gemm_is_plain<V, N>(t)) {
    switch (out.storage) {
      case Storage::kFp32:
        return gemm_store_tile<V>(sum, static_cast<float*>(out.c), out.ldc);
      case Storage::kBf16:
        return gemm_store_tile<V>(sum, static_cast<Bf16*>(out.c), out.ldc);
      case Storage::kFp16:
        break;
    }
  }
  alignas(64) float buffer[R * N * V::kLanes];
  gemm_store_tile<V>(sum, buffer, N * V::kLanes);
  gemm_finish<V>(out, R, t.columns, buffer, N * V::kLanes);
}

template <class V, int R, int N>
[[gnu::always_inline]] inline void gemm_add_start(const GemmTile& t,
                                                  typename V::Float (&sum)[R][N]) {
  const bool whole = t.columns == N * V::kLanes;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) {
      const float* start = t.start + r * t.start_stride + v * V::kLanes;
      if (whole)
        sum[r][v] = V::add(V::load(start), sum[r][v]);
      else
        sum[r][v] = V::add(gemm_load<V>(start, t.columns - v * V::kLanes), sum[r][v]);
    }
  }
}

// C, which is written when the sums are done.
template <class V>
void gemm_prefetch(const GemmTile& t) {
  const int64_t width = t.result.storage == Storage::kFp32 ? 4 : 2;
  const char* c = static_cast<const char*>(t.result.c);
  for (int64_t r = 0; r < t.rows; ++r, c += t.result.ldc * width)
    for (int64_t at = 0; at < t.columns * width; at += 64)
      __builtin_prefetch(c + at, 1);
}

// A tile of exactly R rows. Word r of a step lies at low + r * a_row, or high + (r - 5) * a_row:
// two pointers that move, and no more integer registers than there are. With a pointer for each row
// GCC keeps some in vector registers, where they wait behind the products of the tile before.
template <class V, class M, int R, int N>
void gemm_tile(const GemmTile& t) {
  using F = typename V::Float;
  using Shape = GemmShape<V>;
  if (t.prefetch && t.sums == nullptr) gemm_prefetch<V>(t);
  F sum[R][N];  // in registers: what takes it must be inlined
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v)
      sum[r][v] = V::zero();
  }
  const int64_t a_row = t.a_row, a_row_3 = 3 * a_row;
  const char* low = static_cast<const char*>(t.a);
  const char* high = low + 5 * a_row;
  const float* b = t.b;
  const int64_t b_strip = t.b_strip;
  for (int64_t step = t.steps; step != 0; --step) {
    F columns[N];
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v)
      columns[v] =
          V::load(b + v * V::kLanes / Shape::kStrip * b_strip + v * V::kLanes % Shape::kStrip);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F x = gemm_broadcast<V>(r >= 5   ? high + (r - 5) * a_row
                                    : r == 3 ? low + a_row_3
                                             : low + r * a_row);
#pragma GCC unroll 16
      for (int v = 0; v < N; ++v)
        sum[r][v] = M::multiply_add(x, columns[v], sum[r][v]);
    }
    low += t.a_step;
    high += t.a_step;
    b += t.b_step;
  }
  if (t.start != nullptr) gemm_add_start<V>(t, sum);
  gemm_finish_tile<V>(t, sum);
}

template <class V, class M, int R>
void gemm_tile_of_height(const GemmTile& t) {
  constexpr int kLast = GemmShape<V>::kVectors;
  const int64_t vectors = (t.columns + V::kLanes - 1) / V::kLanes;
  if (vectors == kLast) return gemm_tile<V, M, R, kLast>(t);
  if (kLast > 3 && vectors == 3) return gemm_tile<V, M, R, 3>(t);
  if (kLast > 2 && vectors == 2) return gemm_tile<V, M, R, 2>(t);
  gemm_tile<V, M, R, 1>(t);
}

// The rows of `t` from `row` on.
template <class V>
GemmTile gemm_tile_rest(const GemmTile& t, int64_t row) {
  GemmTile rest = t;
  GemmResult& out = rest.result;
  rest.rows -= row;
  rest.a = static_cast<const char*>(t.a) + row * t.a_row;
  if (t.start != nullptr) rest.start += row * t.start_stride;
  if (t.sums != nullptr) {
    rest.sums += row * GemmShape<V>::kColumns;
    return rest;
  }
  const int64_t offset = row * out.ldc * (out.storage == Storage::kFp32 ? 4 : 2);
  out.c = static_cast<char*>(out.c) + offset;
  if (out.auxiliary != nullptr) out.auxiliary = static_cast<char*>(out.auxiliary) + offset;
  if (out.residual != nullptr) out.residual = static_cast<const char*>(out.residual) + offset;
  out.dropout.first += row * out.dropout.row;
  return rest;
}

template <class V, class M>
void gemm_any_tile(const GemmTile& t) {
  constexpr int kRows = GemmShape<V>::kRows;
  if (t.rows == kRows) return gemm_tile_of_height<V, M, kRows>(t);
  GemmTile rest = t;
  if (rest.rows >= 4 && kRows > 4) {
    gemm_tile_of_height<V, M, 4>(rest);
    rest = gemm_tile_rest<V>(rest, 4);
  }
  if (rest.rows >= 2 && kRows > 2) {
    gemm_tile_of_height<V, M, 2>(rest);
    rest = gemm_tile_rest<V>(rest, 2);
  }
  if (rest.rows == 1) gemm_tile_of_height<V, M, 1>(rest);
}

template <class V>
constexpr GemmWords make_gemm_fp32() {
  return {make_gemm_packing<V, float>(), make_gemm_packing<V, Bf16>(), make_gemm_packing<V, Fp16>(),
          gemm_any_tile<V, GemmFp32<V>>};
}

// `pairs` are the kernels of pairs of bf16, or none.
template <class V>
constexpr GemmKernels make_gemm_kernels(const GemmWords& pairs = {}) {
  return {
      GemmShape<V>::kRows, GemmShape<V>::kStrip, GemmShape<V>::kStrips, make_gemm_fp32<V>(), pairs,
      gemm_dots<V>,        gemm_finish_swiglu<V>};
}

}  // namespace cllm::kernels
