// The vector interface on AVX-512 with BF16: Avx512Common, its own conversion to bf16, and the dot
// product of pairs. Kernel internal: included by avx512_bf16.cc only.
//
// VCVTNEPS2BF16 and VDPBF16PS ignore MXCSR: they round to nearest even, read subnormals as zero and
// turn subnormal results into zero (of the same sign). The other tables keep bf16 subnormals, below
// 2^-126; no gradient that matters is that small.
#pragma once

#include "kernels/vec_avx512.h"

namespace cllm::kernels {

struct Avx512Bf16Vec : Avx512Common<1> {
  using Avx512Common<1>::store;
  using Avx512Common<1>::store_partial;
  static void store(Bf16* p, Float x) { store_halves(p, kLanes, narrow_bf16(x)); }
  static void store_partial(Bf16* p, int64_t n, Float x) { store_halves(p, n, narrow_bf16(x)); }

  // 2 * kLanes elements of bf16, seen as kLanes pairs.
  using Pairs = __m512i;
  static Pairs load_pairs(const Bf16* p) { return _mm512_loadu_si512(p); }
  static void store_pairs(Bf16* p, Pairs x) { _mm512_storeu_si512(p, x); }
  // The first n elements, 0 <= n <= 2 * kLanes; the others read as zero.
  static Pairs load_pairs_partial(const Bf16* p, int64_t n) {
    return _mm512_maskz_loadu_epi16(static_cast<__mmask32>((uint64_t{1} << n) - 1u), p);
  }
  // sums[i] += a[2i + 1] b[2i + 1], then += a[2i] b[2i]: one rounding each.
  static Float dot_pairs(Pairs a, Pairs b, Float sums) {
    return _mm512_dpbf16_ps(sums, __builtin_bit_cast(__m512bh, a), __builtin_bit_cast(__m512bh, b));
  }
  // Pair i = (first[i], second[i]).
  static Pairs narrow_to_pairs(Float first, Float second) {
    return interleave_halves(__builtin_bit_cast(__m512i, _mm512_cvtne2ps_pbh(second, first)));
  }
  // Pairs of neighbours: (first[2i], first[2i + 1]), then those of second.
  static Pairs narrow_neighbours(Float first, Float second) {
    return __builtin_bit_cast(__m512i, _mm512_cvtne2ps_pbh(second, first));
  }
  // Pair i = (first[i], second[i]) of the first n elements, 0 <= n <= kLanes; zero beyond.
  static Pairs join_rows(const Bf16* first, const Bf16* second, int64_t n) {
    const __m512i low = _mm512_castsi256_si512(load_halves(first, n));
    return interleave_halves(_mm512_inserti64x4(low, load_halves(second, n), 1));
  }
  // Pair i = (x[i], x[i + kLanes]) of 2 * kLanes elements.
  static Pairs interleave_halves(Pairs x) { return _mm512_permutexvar_epi16(low_order(), x); }
  // Pair i = (first[i], second[i]) of 2 * kLanes elements each.
  static void interleave(Pairs first, Pairs second, Bf16Pair* out) {
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
                                         8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    _mm512_storeu_si512(out, _mm512_permutex2var_epi16(first, low, second));
    _mm512_storeu_si512(out + kLanes, _mm512_permutex2var_epi16(first, high, second));
  }

  // Pairs as factors of the same expressions as floats: one pair in every lane, kLanes pairs, and
  // the sum of both products.
  using Avx512Common<1>::fma;
  using Avx512Common<1>::load;
  using Avx512Common<1>::set;
  static Pairs set(const Bf16Pair& x) {
    int32_t both;
    __builtin_memcpy(&both, &x, sizeof both);
    return _mm512_set1_epi32(both);
  }
  static Pairs load(const Bf16Pair* p) { return _mm512_loadu_si512(p); }
  static void store(Bf16Pair* p, Pairs x) { _mm512_storeu_si512(p, x); }
  static Float fma(Pairs a, Pairs b, Float sums) { return dot_pairs(a, b, sums); }
  // The same bits, for moving pairs about.
  static Float as_float(Pairs x) { return _mm512_castsi512_ps(x); }

 private:
  static __m512i low_order() {
    return _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                            6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  }
  static __m256i narrow_bf16(Float x) { return __builtin_bit_cast(__m256i, _mm512_cvtneps_pbh(x)); }
};

}  // namespace cllm::kernels
