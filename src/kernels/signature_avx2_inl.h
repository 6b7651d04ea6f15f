// kernels/signature.h by table look-ups of half bytes (W. Mula, N. Kurz, D. Lemire, "Faster
// population counts using AVX2 instructions", 2018). Kernel internal.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/signature.h"

namespace cllm::kernels {
namespace {

// Bits set in each byte.
inline __m256i byte_counts(__m256i x) {
  const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                         0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i low_half = _mm256_set1_epi8(0x0f);
  const __m256i low = _mm256_and_si256(x, low_half);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), low_half);
  return _mm256_add_epi8(_mm256_shuffle_epi8(table, low), _mm256_shuffle_epi8(table, high));
}

void shared_bits_avx2(int64_t blocks, int64_t words, const uint64_t* query, const uint64_t* sets,
                      uint32_t* shared) {
  constexpr int64_t kByteWords = 31;  // 31 words of 8 bits a byte stay below 256
  const __m256i zero = _mm256_setzero_si256();
  const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  for (int64_t block = 0; block < blocks; ++block) {
    __m256i low = zero, high = zero;
    for (int64_t begin = 0; begin < words; begin += kByteWords) {
      const int64_t end = begin + kByteWords < words ? begin + kByteWords : words;
      __m256i low_bytes = zero, high_bytes = zero;
      for (int64_t w = begin; w < end; ++w) {
        const auto* at = reinterpret_cast<const __m256i*>(sets + w * kSignatureBlock);
        const __m256i q = _mm256_set1_epi64x(static_cast<int64_t>(query[w]));
        low_bytes =
            _mm256_add_epi8(low_bytes, byte_counts(_mm256_and_si256(q, _mm256_loadu_si256(at))));
        high_bytes = _mm256_add_epi8(high_bytes,
                                     byte_counts(_mm256_and_si256(q, _mm256_loadu_si256(at + 1))));
      }
      low = _mm256_add_epi64(low, _mm256_sad_epu8(low_bytes, zero));
      high = _mm256_add_epi64(high, _mm256_sad_epu8(high_bytes, zero));
    }
    const __m256i packed = _mm256_blend_epi32(_mm256_permutevar8x32_epi32(low, even),
                                              _mm256_permutevar8x32_epi32(high, even), 0xf0);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(shared), packed);
    sets += words * kSignatureBlock;
    shared += kSignatureBlock;
  }
}

constexpr SignatureKernels make_avx2_signature_kernels() {
  return {shared_bits_avx2};
}

}  // namespace
}  // namespace cllm::kernels
