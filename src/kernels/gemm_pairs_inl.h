// Words that are pairs of bf16: packing and multiplication, over a vector interface V that has
// V::Pairs. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/gemm_inl.h"

namespace cllm::kernels {

template <class V>
struct GemmPairs {
  using Float = typename V::Float;
  static Float multiply_add(Float a, Float b, Float sum) {
    return V::dot_pairs(__builtin_bit_cast(typename V::Pairs, a),
                        __builtin_bit_cast(typename V::Pairs, b), sum);
  }
};

template <class V>
typename V::Float gemm_words(typename V::Pairs pairs) {
  return __builtin_bit_cast(typename V::Float, pairs);
}

// The pairs (first[i], second[i]) of n columns, n >= 1; zero beyond. second may be null: zeros.
template <class V, class S>
typename V::Float gemm_pair_rows(const S* first, const S* second, int64_t n) {
  if constexpr (kStorageOf<S> == Storage::kBf16) {
    if (second != nullptr)
      return gemm_words<V>(V::join_rows(first, second, n < V::kLanes ? n : V::kLanes));
  }
  const auto low = gemm_load<V>(first, n);
  const auto high = second != nullptr ? gemm_load<V>(second, n) : V::zero();
  return gemm_words<V>(V::narrow_to_pairs(low, high));
}

// The pairs of 2 * kLanes neighbours, of which n exist, n >= 1; zero beyond.
template <class V, class S>
typename V::Float gemm_pair_neighbours(const S* x, int64_t n) {
  if constexpr (kStorageOf<S> == Storage::kBf16) {
    return gemm_words<V>(n >= 2 * V::kLanes ? V::load_pairs(x) : V::load_pairs_partial(x, n));
  } else {
    const int64_t left = n - V::kLanes;
    const auto second = left > 0 ? gemm_load<V>(x + V::kLanes, left) : V::zero();
    return gemm_words<V>(V::narrow_neighbours(gemm_load<V>(x, n), second));
  }
}

template <class V, class S>
void gemm_pair_columns(int64_t k, int64_t count, const S* b, int64_t ldb, float* strips,
                       int64_t strip_stride) {
  for (int64_t p = 0; p < k; p += 2, b += 2 * ldb, strips += V::kLanes) {
    const S* second = p + 1 < k ? b + ldb : nullptr;
    float* out = strips;
    for (int64_t j = 0; j < count; j += V::kLanes, out += strip_stride)
      V::store(out, gemm_pair_rows<V>(b + j, second == nullptr ? second : second + j, count - j));
  }
}

template <class V, class S>
void gemm_pair_columns_transposed(int64_t k, int64_t count, const S* b, int64_t ldb, float* strips,
                                  int64_t strip_stride) {
  const int64_t steps = (k + 1) / 2;
  for (int64_t j = 0; j < count; j += V::kLanes, strips += strip_stride) {
    for (int64_t p = 0; p < steps; p += V::kLanes) {
      typename V::Float square[V::kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < V::kLanes; ++i)
        square[i] = j + i < count ? gemm_pair_neighbours<V>(b + (j + i) * ldb + 2 * p, k - 2 * p)
                                  : V::zero();
      V::transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < V::kLanes; ++i)
        if (p + i < steps) V::store(strips + (p + i) * V::kLanes, square[i]);
    }
  }
}

template <class V, class S>
void gemm_pair_elements(int64_t k, int64_t count, const S* a, int64_t lda, float* words,
                        int64_t row_stride) {
  const int64_t steps = (k + 1) / 2;
  for (int64_t r = 0; r < count; ++r, a += lda, words += row_stride)
    for (int64_t p = 0; p < steps; p += V::kLanes)
      gemm_store<V>(words + p, steps - p, gemm_pair_neighbours<V>(a + 2 * p, k - 2 * p));
}

// Two blocks of rows fill a vector.
template <class V, class S>
void gemm_pair_rows_transposed(int64_t k, int64_t count, const S* a, int64_t lda, float* blocks,
                               int64_t block_stride) {
  constexpr int kRows = GemmShape<V>::kRows;
  static_assert(2 * kRows == V::kLanes);
  constexpr int kAhead = 16;  // rows; a stride that hardware prefetchers do not follow
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(S));
  for (int64_t p = 0; p < k; p += 2, a += 2 * lda, blocks += kRows) {
    const S* second = p + 1 < k ? a + lda : nullptr;
    for (int64_t line = 0; line < count && p + kAhead + 1 < k; line += kLine) {
      __builtin_prefetch(a + kAhead * lda + line);
      __builtin_prefetch(a + (kAhead + 1) * lda + line);
    }
    float* out = blocks;
    for (int64_t r = 0; r < count; r += V::kLanes, out += 2 * block_stride) {
      alignas(64) float words[V::kLanes];
      V::store(words, gemm_pair_rows<V>(a + r, second == nullptr ? second : second + r, count - r));
      __builtin_memcpy(out, words, kRows * sizeof(float));
      if (r + kRows < count)
        __builtin_memcpy(out + block_stride, words + kRows, kRows * sizeof(float));
    }
  }
}

template <class V, class S>
constexpr GemmPacking<S> make_gemm_pairing() {
  return {gemm_pair_columns<V, S>, gemm_pair_columns_transposed<V, S>, gemm_pair_elements<V, S>,
          gemm_pair_rows_transposed<V, S>};
}

template <class V>
constexpr GemmWords make_gemm_pairs() {
  return {make_gemm_pairing<V, float>(),
          make_gemm_pairing<V, Bf16>(),
          {},
          gemm_any_tile<V, GemmPairs<V>>};
}

}  // namespace cllm::kernels
