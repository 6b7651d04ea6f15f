// The vector interface on AVX-512 F/DQ/BW/VL, sixteen lanes. Kernel internal: included by
// avx512.cc, and by avx512_bf16.cc as the base of its own.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/storage.h"

namespace cllm::kernels {

// What the tables of AVX-512 share. One instance per table, named by kTable, so that no two files
// compiled with different flags define the same function.
template <int kTable>
struct Avx512Common {
  using Float = __m512;
  static constexpr int kLanes = 16;
  static Float zero() { return _mm512_setzero_ps(); }
  static Float set(float x) { return _mm512_set1_ps(x); }
  static Float load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Float x) { _mm512_storeu_ps(p, x); }
  // The first n lanes, 0 <= n <= kLanes; the others read as zero and are not written.
  static Float load_partial(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(mask(n), p); }
  static void store_partial(float* p, int64_t n, Float x) { _mm512_mask_storeu_ps(p, mask(n), x); }
  // Stored to 16 bits with round to nearest even; overflow is infinity, a NaN stays one (quiet).
  static Float load(const Bf16* p) { return widen_bf16(load_halves(p, kLanes)); }
  static Float load_partial(const Bf16* p, int64_t n) { return widen_bf16(load_halves(p, n)); }
  static Float load(const Fp16* p) { return _mm512_cvtph_ps(load_halves(p, kLanes)); }
  static Float load_partial(const Fp16* p, int64_t n) { return _mm512_cvtph_ps(load_halves(p, n)); }
  static Float load(const int8_t* p) {
    return widen_int8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Float load_partial(const int8_t* p, int64_t n) {
    return widen_int8(_mm_maskz_loadu_epi8(mask(n), p));
  }
  static void store(Fp16* p, Float x) { store_halves(p, kLanes, narrow_fp16(x)); }
  static void store_partial(Fp16* p, int64_t n, Float x) { store_halves(p, n, narrow_fp16(x)); }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float div(Float a, Float b) { return _mm512_div_ps(a, b); }
  static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Float sqrt(Float a) { return _mm512_sqrt_ps(a); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float fnma(Float a, Float b, Float c) { return _mm512_fnmadd_ps(a, b, c); }
  static Float round(Float a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Float scale_by_power_of_two(Float a, Float n) { return _mm512_scalef_ps(a, n); }
  static Float select_less(Float a, Float b, Float x, Float y) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
  }
  // The same tree as two Avx2Vec halves added first.
  static float reduce_add(Float a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float reduce_max(Float a) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

  // Counters of random numbers: 64-bit lanes whose low halves are the operands. The full masks
  // cost nothing and avoid GCC 12's false "used uninitialized" in the unmasked forms.
  using Wide = __m512i;
  static constexpr int kWideLanes = 8;
  static Wide wide_set(uint64_t x) { return _mm512_set1_epi64(static_cast<int64_t>(x)); }
  static Wide wide_load(const uint64_t* p) { return _mm512_loadu_si512(p); }
  static void wide_store(uint64_t* p, Wide x) { _mm512_storeu_si512(p, x); }
  static Wide wide_add(Wide a, Wide b) { return _mm512_add_epi64(a, b); }
  static Wide wide_xor(Wide a, Wide b) { return _mm512_xor_si512(a, b); }
  static Wide wide_multiply_low(Wide a, Wide b) { return _mm512_maskz_mul_epu32(0xff, a, b); }
  static Wide wide_high(Wide a) { return _mm512_maskz_srli_epi64(0xff, a, 32); }
  static Wide wide_join(Wide low, Wide high) {
    return _mm512_mask_shuffle_epi32(low, 0xaaaa, high, _MM_PERM_CCAA);
  }

  // Transposes a square of kLanes x kLanes in registers: pairs, then fours inside the quarters,
  // then the quarters themselves.
  static void transpose(Float (&x)[kLanes]) {
    Float y[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i += 2) {
      y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
      y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i += 4) {
      x[i] = _mm512_shuffle_ps(y[i], y[i + 2], 0x44);
      x[i + 1] = _mm512_shuffle_ps(y[i], y[i + 2], 0xee);
      x[i + 2] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0x44);
      x[i + 3] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; ++i) {
      y[i] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0x88);
      y[i + 4] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd);
      y[i + 8] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0x88);
      y[i + 12] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 8; ++i) {
      x[i] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0x88);
      x[i + 8] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0xdd);
    }
  }

 protected:
  static __mmask16 mask(int64_t n) {
    return static_cast<__mmask16>((1u << n) - 1u);
  }
  static __m256i load_halves(const void* p, int64_t n) {
    return _mm256_maskz_loadu_epi16(mask(n), p);
  }
  static void store_halves(void* p, int64_t n, __m256i x) {
    _mm256_mask_storeu_epi16(p, mask(n), x);
  }

 private:
  static Float widen_bf16(__m256i x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
  }
  static Float widen_int8(__m128i x) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x));
  }
  static __m256i narrow_fp16(Float x) {
    return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
  }
};

struct Avx512Vec : Avx512Common<0> {
  using Avx512Common<0>::store;
  using Avx512Common<0>::store_partial;
  static void store(Bf16* p, Float x) { store_halves(p, kLanes, narrow_bf16(x)); }
  static void store_partial(Bf16* p, int64_t n, Float x) { store_halves(p, n, narrow_bf16(x)); }

 private:
  static __m256i narrow_bf16(Float x) {
    const __m512i bits = _mm512_castps_si512(x), upper = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    const __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(
        _mm512_mask_or_epi32(rounded, nan, upper, _mm512_set1_epi32(0x40)));
  }
};

}  // namespace cllm::kernels
