// The templates behind kernels/gemm.h, over the vector interface V. Kernel internal.
// The register tile is R rows times N vectors of accumulators; per step of k it loads N vectors of
// B and broadcasts R elements of A (Goto & van de Geijn 2008, section 6; tile shapes after Low et
// al., "Analytical modeling is enough for high-performance BLIS", 2016).
#pragma once

#include <cstdint>

#include "kernels/gemm.h"
#include "kernels/math_inl.h"

namespace cllm::kernels {

// Accumulators + N + 1 registers must fit: 24 + 4 of 32 (AVX-512), 12 + 3 of 16 (AVX2); 8 + 5 of 16
// for one lane, where compilers join four columns into one SSE register.
template <class V>
struct GemmShape {
  static constexpr int kRows = V::kLanes == 16 ? 8 : V::kLanes == 8 ? 6 : 2;
  static constexpr int kVectors = V::kLanes == 16 ? 3 : V::kLanes == 8 ? 2 : 4;
  static constexpr int kColumns = kVectors * V::kLanes;
  static constexpr int kDotAccumulators = V::kLanes == 16 ? 16 : 8;
};

// The first n lanes, n >= 1; zero beyond.
template <class V>
typename V::Float gemm_load(const float* p, int64_t n) {
  return n >= V::kLanes ? V::load(p) : V::load_partial(p, n);
}

template <class V>
void gemm_store(float* p, int64_t n, typename V::Float x) {
  n >= V::kLanes ? V::store(p, x) : V::store_partial(p, n, x);
}

template <class V>
typename V::Float gemm_activate(Activation activation, typename V::Float value,
                                typename V::Float auxiliary) {
  // max(0, x) in this order lets NaN through.
  switch (activation) {
    case Activation::kNone:
      return value;
    case Activation::kGelu:
      return gelu<V>(value);
    case Activation::kRelu2: {
      const auto positive = V::max(V::zero(), value);
      return V::mul(positive, positive);
    }
    case Activation::kGeluBackward:
      return V::mul(value, gelu_derivative<V>(auxiliary));
    case Activation::kRelu2Backward: {
      const auto positive = V::max(V::zero(), auxiliary);
      return V::mul(value, V::add(positive, positive));
    }
  }
  return value;
}

// One vector of C at (row offset + column j), the first n lanes of it.
template <class V>
void gemm_finish_vector(const GemmTile& t, int64_t offset, int64_t j, int64_t n,
                        typename V::Float value) {
  using F = typename V::Float;
  if (t.start != nullptr) value = V::add(gemm_load<V>(t.start + offset + j, n), value);
  if (t.bias != nullptr) value = V::add(value, gemm_load<V>(t.bias + j, n));
  if (t.activation != Activation::kNone) {
    const bool backward =
        t.activation == Activation::kGeluBackward || t.activation == Activation::kRelu2Backward;
    F auxiliary = value;
    if (backward)
      auxiliary = gemm_load<V>(t.auxiliary + offset + j, n);
    else if (t.auxiliary != nullptr)
      gemm_store<V>(t.auxiliary + offset + j, n, value);
    value = gemm_activate<V>(t.activation, value, auxiliary);
  }
  if (t.residual != nullptr) value = V::add(value, gemm_load<V>(t.residual + offset + j, n));
  gemm_store<V>(t.c + offset + j, n, value);
}

// The general way out of a tile: from a buffer of sums in L1. A full tile without an epilogue goes
// from registers instead; here edges and activations share one piece of code.
template <class V>
[[gnu::noinline]] void gemm_finish(const GemmTile& t, const float* sums, int64_t stride) {
  for (int64_t r = 0; r < t.rows; ++r)
    for (int64_t j = 0; j < t.columns; j += V::kLanes)
      gemm_finish_vector<V>(t, r * t.ldc, j, t.columns - j, V::load(sums + r * stride + j));
}

template <class V, int R, int N>
void gemm_tile(const GemmTile& t) {
  using F = typename V::Float;
  F sum[R][N];
  const float* a[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const int64_t row = r < t.rows ? r : t.rows - 1;  // a surplus row repeats the last one
    a[r] = t.a + row * t.a_row;
    const float* c = t.c + row * t.ldc;
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) {
      sum[r][v] = V::zero();
      if (v * V::kLanes % 16 == 0) __builtin_prefetch(c + v * V::kLanes, 1);
    }
  }
  const float* b = t.b;
  const int64_t b_stride = t.b_stride, end = t.k * t.a_step, a_step = t.a_step;
  for (int64_t p = 0; p != end; p += a_step, b += b_stride) {
    F columns[N];
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v)
      columns[v] = V::load(b + v * V::kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F x = V::set(a[r][p]);
#pragma GCC unroll 16
      for (int v = 0; v < N; ++v)
        sum[r][v] = V::fma(x, columns[v], sum[r][v]);
    }
  }
  const bool plain = t.rows == R && t.columns == N * V::kLanes && t.bias == nullptr &&
                     t.activation == Activation::kNone && t.residual == nullptr;
  alignas(64) float buffer[R * N * V::kLanes];
  const float* start = plain ? t.start : nullptr;
  float* out = plain ? t.c : buffer;
  const int64_t out_stride = plain ? t.ldc : N * V::kLanes;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) {
      if (start != nullptr)
        sum[r][v] = V::add(V::load(start + r * out_stride + v * V::kLanes), sum[r][v]);
      V::store(out + r * out_stride + v * V::kLanes, sum[r][v]);
    }
  }
  if (!plain) gemm_finish<V>(t, buffer, N * V::kLanes);
}

template <class V, int R>
void gemm_tile_of_height(const GemmTile& t) {
  constexpr int kLast = GemmShape<V>::kVectors;
  const int64_t vectors = (t.columns + V::kLanes - 1) / V::kLanes;
  if (vectors == kLast) return gemm_tile<V, R, kLast>(t);
  if (kLast > 3 && vectors == 3) return gemm_tile<V, R, 3>(t);
  if (kLast > 2 && vectors == 2) return gemm_tile<V, R, 2>(t);
  gemm_tile<V, R, 1>(t);
}

template <class V>
void gemm_any_tile(const GemmTile& t) {
  constexpr int kRows = GemmShape<V>::kRows;
  if (t.rows > 4 && kRows > 4) return gemm_tile_of_height<V, kRows>(t);
  if (t.rows > 2 && kRows > 2) return gemm_tile_of_height<V, 4>(t);
  if (t.rows > 1) return gemm_tile_of_height<V, 2>(t);
  gemm_tile_of_height<V, 1>(t);
}

// sums [R, J] (row stride kDotColumns) = dot products of R rows of A and J rows of B.
template <class V, int R, int J>
void gemm_dot_block(const GemmTile& t, int64_t row, int64_t column, float* sums) {
  using F = typename V::Float;
  F sum[R][J];
  const float* a[R];
  const float* b[J];
  for (int r = 0; r < R; ++r)
    a[r] = t.a + (row + r < t.rows ? row + r : t.rows - 1) * t.a_row;
  for (int j = 0; j < J; ++j)
    b[j] = t.b + (column + j < t.columns ? column + j : t.columns - 1) * t.b_stride;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j)
      sum[r][j] = V::zero();
  }
  const auto step = [&](auto load) {
    F x[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
      x[r] = load(a[r]);
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j) {
      const F y = load(b[j]);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
        sum[r][j] = V::fma(x[r], y, sum[r][j]);
    }
  };
  int64_t p = 0;
  for (; p + V::kLanes <= t.k; p += V::kLanes)
    step([p](const float* row_start) { return V::load(row_start + p); });
  const int64_t left = t.k - p;
  if (left > 0)
    step([p, left](const float* row_start) { return V::load_partial(row_start + p, left); });
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j)
      sums[r * GemmKernels::kDotColumns + j] = V::reduce_add(sum[r][j]);
  }
}

template <class V, int R>
void gemm_dot_rows(const GemmTile& t, int64_t row, float* sums) {
  constexpr int kMost = GemmShape<V>::kDotAccumulators / R;
  constexpr int kStep = kMost < 8 ? kMost : 8;
  for (int64_t j = 0; j < t.columns; j += kStep)
    gemm_dot_block<V, R, kStep>(t, row, j, sums + row * GemmKernels::kDotColumns + j);
}

template <class V>
void gemm_dots(const GemmTile& t) {
  alignas(64) float sums[(GemmKernels::kDotRows + 3) * GemmKernels::kDotColumns];
  int64_t row = 0;
  for (; t.rows - row > 2; row += 4)
    gemm_dot_rows<V, 4>(t, row, sums);
  if (t.rows - row == 2) gemm_dot_rows<V, 2>(t, row, sums);
  if (t.rows - row == 1) gemm_dot_rows<V, 1>(t, row, sums);
  gemm_finish<V>(t, sums, GemmKernels::kDotColumns);
}

template <class V>
void gemm_pack_columns(int64_t k, int64_t count, const float* b, int64_t ldb, float* panel) {
  constexpr int kColumns = GemmShape<V>::kColumns;
  for (int64_t p = 0; p < k; ++p, b += ldb, panel += kColumns) {
    if (count == kColumns) {
#pragma GCC unroll 16
      for (int j = 0; j < kColumns; j += V::kLanes)
        V::store(panel + j, V::load(b + j));
    } else {
      for (int64_t j = 0; j < kColumns; j += V::kLanes)
        V::store(panel + j, j < count ? gemm_load<V>(b + j, count - j) : V::zero());
    }
  }
}

// A square of kLanes x kLanes: rows of b become columns of the panel. rows and steps say how much
// of it exists; the surplus columns are zero and surplus steps are not written.
template <class V>
void gemm_pack_square(int64_t rows, int64_t steps, const float* b, int64_t ldb, float* panel) {
  typename V::Float square[V::kLanes];
  if (rows >= V::kLanes && steps >= V::kLanes) {
#pragma GCC unroll 16
    for (int j = 0; j < V::kLanes; ++j)
      square[j] = V::load(b + j * ldb);
  } else {
    const int64_t width = steps < V::kLanes ? steps : V::kLanes;
    for (int j = 0; j < V::kLanes; ++j)
      square[j] = j < rows ? V::load_partial(b + j * ldb, width) : V::zero();
  }
  V::transpose(square);
#pragma GCC unroll 16
  for (int p = 0; p < V::kLanes; ++p)
    if (p < steps) V::store(panel + p * GemmShape<V>::kColumns, square[p]);
}

template <class V>
void gemm_pack_columns_transposed(int64_t k, int64_t count, const float* b, int64_t ldb,
                                  float* panel) {
  constexpr int kColumns = GemmShape<V>::kColumns;
  for (int64_t p = 0; p < k; p += V::kLanes)
    for (int64_t j = 0; j < kColumns; j += V::kLanes)
      gemm_pack_square<V>(count - j, k - p, j < count ? b + j * ldb + p : b, ldb,
                          panel + p * kColumns + j);
}

template <class V>
void gemm_pack_rows_transposed(int64_t k, int64_t count, const float* a, int64_t lda, float* blocks,
                               int64_t block_stride) {
  constexpr int kRows = GemmShape<V>::kRows;
  constexpr int kAhead = 12;  // rows; a stride that hardware prefetchers do not follow
  for (int64_t p = 0; p < k; ++p, a += lda) {
    float* out = blocks + p * kRows;
    int64_t r = 0;
    for (int64_t line = 0; line < count && p + kAhead < k; line += 16)
      __builtin_prefetch(a + kAhead * lda + line);
    for (; r + kRows <= count; r += kRows, out += block_stride)
      __builtin_memcpy(out, a + r, kRows * sizeof(float));
    if (r == count) continue;
    for (int64_t i = 0; i < kRows; ++i)
      out[i] = r + i < count ? a[r + i] : 0.0f;
  }
}

template <class V>
constexpr GemmKernels make_gemm_kernels() {
  return {GemmShape<V>::kRows,
          GemmShape<V>::kColumns,
          gemm_pack_columns<V>,
          gemm_pack_columns_transposed<V>,
          gemm_pack_rows_transposed<V>,
          gemm_any_tile<V>,
          gemm_dots<V>};
}

}  // namespace cllm::kernels
