// kernels/signature.h with VPOPCNTDQ where the CPU has it. The avx512 table does not demand it
// (Skylake's lack it); there, the look-ups of avx2 are used. Kernel internal.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/signature.h"
#include "kernels/signature_avx2_inl.h"

namespace cllm::kernels {
namespace {

__attribute__((target("avx512vpopcntdq"))) void shared_bits_vpopcntdq(int64_t blocks, int64_t words,
                                                                      const uint64_t* query,
                                                                      const uint64_t* sets,
                                                                      uint32_t* shared) {
  for (int64_t block = 0; block < blocks; ++block) {
    __m512i count = _mm512_setzero_si512();
    for (int64_t w = 0; w < words; ++w) {
      const __m512i set = _mm512_loadu_si512(sets + w * kSignatureBlock);
      const __m512i q = _mm512_set1_epi64(static_cast<int64_t>(query[w]));
      count = _mm512_add_epi64(count, _mm512_popcnt_epi64(_mm512_and_si512(q, set)));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(shared), _mm512_cvtepi64_epi32(count));
    sets += words * kSignatureBlock;
    shared += kSignatureBlock;
  }
}

// The question costs a load: a call scans thousands of sets.
void shared_bits_avx512(int64_t blocks, int64_t words, const uint64_t* query, const uint64_t* sets,
                        uint32_t* shared) {
  if (__builtin_cpu_supports("avx512vpopcntdq"))
    shared_bits_vpopcntdq(blocks, words, query, sets, shared);
  else
    shared_bits_avx2(blocks, words, query, sets, shared);
}

constexpr SignatureKernels make_avx512_signature_kernels() {
  return {shared_bits_avx512};
}

}  // namespace
}  // namespace cllm::kernels
