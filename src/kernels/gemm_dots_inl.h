// Dot products of few rows with rows of B, over the vector interface V. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/gemm_finish_inl.h"

namespace cllm::kernels {

template <class V>
inline constexpr int kGemmDotAccumulators = V::kLanes == 16 ? 16 : 8;

// sums [R, J] (row stride kDotColumns) = dot products of R rows of A and J rows of B.
template <class V, int R, int J, class S>
void gemm_dot_block(const GemmDots& t, int64_t row, int64_t column, float* sums) {
  using F = typename V::Float;
  F sum[R][J];
  const S* a[R];
  const float* b[J];
  for (int r = 0; r < R; ++r)
    a[r] = static_cast<const S*>(t.a) + (row + r < t.rows ? row + r : t.rows - 1) * t.a_row;
  for (int j = 0; j < J; ++j)
    b[j] = t.b + (column + j < t.columns ? column + j : t.columns - 1) * t.b_row;
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
    step([p](const auto* row_start) { return V::load(row_start + p); });
  const int64_t left = t.k - p;
  if (left > 0)
    step([p, left](const auto* row_start) { return V::load_partial(row_start + p, left); });
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j)
      sums[r * GemmKernels::kDotColumns + j] = V::reduce_add(sum[r][j]);
  }
}

template <class V, int R, class S>
void gemm_dot_rows(const GemmDots& t, int64_t row, float* sums) {
  constexpr int kMost = kGemmDotAccumulators<V> / R;
  constexpr int kStep = kMost < 8 ? kMost : 8;
  for (int64_t j = 0; j < t.columns; j += kStep)
    gemm_dot_block<V, R, kStep, S>(t, row, j, sums + row * GemmKernels::kDotColumns + j);
}

template <class V, class S>
void gemm_dots_of(const GemmDots& t, float* sums) {
  int64_t row = 0;
  for (; t.rows - row > 2; row += 4)
    gemm_dot_rows<V, 4, S>(t, row, sums);
  if (t.rows - row == 2) gemm_dot_rows<V, 2, S>(t, row, sums);
  if (t.rows - row == 1) gemm_dot_rows<V, 1, S>(t, row, sums);
}

template <class V>
void gemm_dots(const GemmDots& t) {
  alignas(64) float sums[(GemmKernels::kDotRows + 3) * GemmKernels::kDotColumns];
  switch (t.a_storage) {
    case Storage::kFp32:
      gemm_dots_of<V, float>(t, sums);
      break;
    case Storage::kBf16:
      gemm_dots_of<V, Bf16>(t, sums);
      break;
    case Storage::kFp16:
      gemm_dots_of<V, Fp16>(t, sums);
      break;
  }
  gemm_finish<V>(t.result, t.rows, t.columns, sums, GemmKernels::kDotColumns);
}

}  // namespace cllm::kernels
