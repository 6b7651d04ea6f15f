// The vector interface on AVX2 + FMA, eight lanes. Kernel internal: included by avx2.cc only.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/storage.h"

namespace cllm::kernels {

struct Avx2Vec {
  using Float = __m256;
  static constexpr int kLanes = 8;
  static Float zero() { return _mm256_setzero_ps(); }
  static Float set(float x) { return _mm256_set1_ps(x); }
  static Float load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Float x) { _mm256_storeu_ps(p, x); }
  // The first n lanes, 0 <= n <= kLanes; the others read as zero and are not written.
  static Float load_partial(const float* p, int64_t n) { return _mm256_maskload_ps(p, mask(n)); }
  static void store_partial(float* p, int64_t n, Float x) { _mm256_maskstore_ps(p, mask(n), x); }
  // Stored to 16 bits with round to nearest even; overflow is infinity, a NaN stays one (quiet).
  static Float load(const Bf16* p) { return widen(p, load_halves(p)); }
  static void store(Bf16* p, Float x) { store_halves(p, narrow(p, x)); }
  static Float load(const Fp16* p) { return widen(p, load_halves(p)); }
  static void store(Fp16* p, Float x) { store_halves(p, narrow(p, x)); }
  static Float load(const int8_t* p) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  // AVX2 has no masked access to small elements: the ends of spans go through memory.
  template <class S>
  static Float load_partial(const S* p, int64_t n) {
    S lanes[kLanes] = {};
    for (int64_t i = 0; i < n; ++i)
      lanes[i] = p[i];
    return load(lanes);
  }
  template <class S>
  static void store_partial(S* p, int64_t n, Float x) {
    S lanes[kLanes];
    store(lanes, x);
    for (int64_t i = 0; i < n; ++i)
      p[i] = lanes[i];
  }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float div(Float a, Float b) { return _mm256_div_ps(a, b); }
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float sqrt(Float a) { return _mm256_sqrt_ps(a); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float fnma(Float a, Float b, Float c) { return _mm256_fnmadd_ps(a, b, c); }
  static Float round(Float a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Float scale_by_power_of_two(Float a, Float n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }
  static Float select_less(Float a, Float b, Float x, Float y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static float reduce_add(Float a) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float reduce_max(Float a) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

  // Counters of random numbers: 64-bit lanes whose low halves are the operands.
  using Wide = __m256i;
  static constexpr int kWideLanes = 4;
  static Wide wide_set(uint64_t x) { return _mm256_set1_epi64x(static_cast<int64_t>(x)); }
  static Wide wide_load(const uint64_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static void wide_store(uint64_t* p, Wide x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
  }
  static Wide wide_add(Wide a, Wide b) { return _mm256_add_epi64(a, b); }
  static Wide wide_xor(Wide a, Wide b) { return _mm256_xor_si256(a, b); }
  static Wide wide_multiply_low(Wide a, Wide b) { return _mm256_mul_epu32(a, b); }
  static Wide wide_high(Wide a) { return _mm256_srli_epi64(a, 32); }
  static Wide wide_join(Wide low, Wide high) {
    return _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xaa);
  }

  // Transposes a square of kLanes x kLanes in registers: pairs, then fours, then halves.
  static void transpose(Float (&x)[kLanes]) {
    Float y[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; i += 2) {
      y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
      y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; i += 4) {
      x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
      x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
      x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
      x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 4; ++i) {
      y[i] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x20);
      y[i + 4] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kLanes; ++i)
      x[i] = y[i];
  }

 private:
  static __m128i load_halves(const void* p) {
    return _mm_loadu_si128(static_cast<const __m128i*>(p));
  }
  static void store_halves(void* p, __m128i x) {
    _mm_storeu_si128(static_cast<__m128i*>(p), x);
  }
  // The pointer names the format.
  static Float widen(const Fp16*, __m128i x) {
    return _mm256_cvtph_ps(x);
  }
  static Float widen(const Bf16*, __m128i x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }
  static __m128i narrow(const Fp16*, Float x) {
    return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
  }
  static __m128i narrow(const Bf16*, Float x) {
    const __m256i bits = _mm256_castps_si256(x), upper = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    const __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
    const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i words = _mm256_blendv_epi8(rounded, quiet, nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  }
  static __m256i mask(int64_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
  }
};

}  // namespace cllm::kernels
