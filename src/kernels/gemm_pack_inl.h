// Packing of matrices into words of fp32, over the vector interface V. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"
#include "kernels/gemm_finish_inl.h"

namespace cllm::kernels {

// Accumulators + vectors of B + 1 registers must fit: 24 + 4 of 32 (AVX-512), 12 + 3 of 16 (AVX2);
// 8 + 5 of 16 for one lane, where compilers join four columns into one SSE register.
template <class V>
struct GemmShape {
  static constexpr int kRows = V::kLanes == 16 ? 8 : V::kLanes == 8 ? 6 : 2;
  static constexpr int kVectors = V::kLanes == 16 ? 3 : V::kLanes == 8 ? 2 : 4;
  static constexpr int kColumns = kVectors * V::kLanes;
  static constexpr int kStrip = V::kLanes > 1 ? V::kLanes : 2;  // at least two in a tile
  static constexpr int kStrips = kColumns / kStrip;
};

template <class V, class S>
void gemm_pack_columns(int64_t k, int64_t count, const S* b, int64_t ldb, float* strips,
                       int64_t strip_stride) {
  constexpr int64_t kStrip = GemmShape<V>::kStrip;
  for (int64_t p = 0; p < k; ++p, b += ldb) {
    float* out = strips + p * kStrip;
    for (int64_t j = 0; j < count; j += kStrip, out += strip_stride) {
#pragma GCC unroll 4
      for (int64_t v = 0; v < kStrip; v += V::kLanes)
        V::store(out + v, j + v < count ? gemm_load<V>(b + j + v, count - j - v) : V::zero());
    }
  }
}

// A square of kLanes x kLanes: rows of b become columns of the strip. rows and steps say how much
// of it exists; the surplus columns are zero and surplus steps are not written.
template <class V, class S>
void gemm_pack_square(int64_t rows, int64_t steps, const S* b, int64_t ldb, float* out) {
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
    if (p < steps) V::store(out + p * GemmShape<V>::kStrip, square[p]);
}

template <class V, class S>
void gemm_pack_columns_transposed(int64_t k, int64_t count, const S* b, int64_t ldb, float* strips,
                                  int64_t strip_stride) {
  constexpr int64_t kStrip = GemmShape<V>::kStrip;
  for (int64_t j = 0; j < count; j += kStrip, strips += strip_stride)
    for (int64_t p = 0; p < k; p += V::kLanes)
      for (int64_t v = 0; v < kStrip; v += V::kLanes)
        gemm_pack_square<V>(count - j - v, k - p, j + v < count ? b + (j + v) * ldb + p : b, ldb,
                            strips + p * kStrip + v);
}

template <class V, class S>
void gemm_pack_rows(int64_t k, int64_t count, const S* a, int64_t lda, float* words,
                    int64_t row_stride) {
  for (int64_t r = 0; r < count; ++r, a += lda, words += row_stride)
    for (int64_t p = 0; p < k; p += V::kLanes)
      gemm_store<V>(words + p, k - p, gemm_load<V>(a + p, k - p));
}

// The first n words of kRows, n >= 1; zero beyond. Element by element where a row is no vector.
template <class V, class S>
void gemm_pack_row_block(int64_t n, const S* a, float* out) {
  constexpr int kRows = GemmShape<V>::kRows;
  if constexpr (kStorageOf<S> == Storage::kFp32) {
    if (n >= kRows) {
      __builtin_memcpy(out, a, kRows * sizeof(float));
      return;
    }
  }
  alignas(64) float words[16];
  constexpr int kWhole = (kRows + V::kLanes - 1) / V::kLanes;
  for (int v = 0; v < kWhole; ++v) {
    const int64_t left = (n < kRows ? n : kRows) - v * V::kLanes;
    V::store(words + v * V::kLanes, left > 0 ? gemm_load<V>(a + v * V::kLanes, left) : V::zero());
  }
  __builtin_memcpy(out, words, kRows * sizeof(float));
}

template <class V, class S>
void gemm_pack_rows_transposed(int64_t k, int64_t count, const S* a, int64_t lda, float* blocks,
                               int64_t block_stride) {
  constexpr int kRows = GemmShape<V>::kRows;
  constexpr int kAhead = 12;  // rows; a stride that hardware prefetchers do not follow
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(S));
  for (int64_t p = 0; p < k; ++p, a += lda) {
    float* out = blocks + p * kRows;
    for (int64_t line = 0; line < count && p + kAhead < k; line += kLine)
      __builtin_prefetch(a + kAhead * lda + line);
    for (int64_t r = 0; r < count; r += kRows, out += block_stride)
      gemm_pack_row_block<V>(count - r, a + r, out);
  }
}

template <class V, class S>
constexpr GemmPacking<S> make_gemm_packing() {
  return {gemm_pack_columns<V, S>, gemm_pack_columns_transposed<V, S>, gemm_pack_rows<V, S>,
          gemm_pack_rows_transposed<V, S>};
}

}  // namespace cllm::kernels
