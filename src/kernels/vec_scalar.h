// The vector interface with one lane: every kernel's scalar form comes from the same template as
// its SIMD forms. Kernel internal: included by scalar.cc only.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/storage.h"

namespace cllm::kernels {

struct ScalarVec {
  using Float = float;
  static constexpr int kLanes = 1;
  static Float zero() { return 0.0f; }
  static Float set(float x) { return x; }
  static Float load(const float* p) { return *p; }
  static void store(float* p, Float x) { *p = x; }
  // Stored to 16 bits with round to nearest even; overflow is infinity, a NaN stays one (quiet).
  static Float load(const Bf16* p) { return from_bits(uint32_t{p->bits} << 16); }
  static void store(Bf16* p, Float x) { p->bits = narrow_to_bf16(to_bits(x)); }
  static Float load(const Fp16* p) { return widen_fp16(p->bits); }
  static Float load(const int8_t* p) { return *p; }
  static void store(Fp16* p, Float x) { p->bits = narrow_to_fp16(to_bits(x)); }
  // The first n lanes, 0 <= n <= kLanes; the others read as zero and are not written.
  template <class S>
  static Float load_partial(const S* p, int64_t n) {
    return n > 0 ? load(p) : 0.0f;
  }
  template <class S>
  static void store_partial(S* p, int64_t n, Float x) {
    if (n > 0) store(p, x);
  }
  static Float add(Float a, Float b) { return a + b; }
  static Float sub(Float a, Float b) { return a - b; }
  static Float mul(Float a, Float b) { return a * b; }
  static Float div(Float a, Float b) { return a / b; }
  static Float max(Float a, Float b) { return a > b ? a : b; }
  static Float min(Float a, Float b) { return a < b ? a : b; }
  static Float sqrt(Float a) { return std::sqrt(a); }
  // a * b + c. One rounding where the instruction set has FMA, two here.
  static Float fma(Float a, Float b, Float c) { return a * b + c; }
  // c - a * b
  static Float fnma(Float a, Float b, Float c) { return c - a * b; }
  static Float round(Float a) { return std::nearbyintf(a); }
  // a * 2^n for integral n in [-126, 127]; NaN for NaN, which has no integer.
  static Float scale_by_power_of_two(Float a, Float n) {
    if (n != n) return n;
    return a * from_bits(static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23);
  }
  // condition: a < b (false for NaN) ? x : y
  static Float select_less(Float a, Float b, Float x, Float y) { return a < b ? x : y; }
  static float reduce_add(Float a) { return a; }
  static float reduce_max(Float a) { return a; }

  // Counters of random numbers: 64-bit lanes whose low halves are the operands.
  using Wide = uint64_t;
  static constexpr int kWideLanes = 1;
  static Wide wide_set(uint64_t x) { return x; }
  static Wide wide_load(const uint64_t* p) { return *p; }
  static void wide_store(uint64_t* p, Wide x) { *p = x; }
  static Wide wide_add(Wide a, Wide b) { return a + b; }
  static Wide wide_xor(Wide a, Wide b) { return a ^ b; }
  // The full product of the low halves.
  static Wide wide_multiply_low(Wide a, Wide b) { return (a & 0xffffffffu) * (b & 0xffffffffu); }
  static Wide wide_high(Wide a) { return a >> 32; }
  // The low half of `low` below the low half of `high`.
  static Wide wide_join(Wide low, Wide high) { return (low & 0xffffffffu) | (high << 32); }
  // Transposes a square of kLanes x kLanes in registers.
  static void transpose(Float (&)[kLanes]) {}

 private:
  static float from_bits(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  }
  static uint32_t to_bits(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
  }
  // x / 2^shift to nearest even, for shift in [1, 31].
  static uint32_t shift_right_even(uint32_t x, int shift) {
    const uint32_t half = (1u << (shift - 1)) - 1u;
    return (x + half + ((x >> shift) & 1u)) >> shift;
  }
  static uint16_t narrow_to_bf16(uint32_t bits) {
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return static_cast<uint16_t>(nan ? bits >> 16 | 0x40u : shift_right_even(bits, 16));
  }
  static uint16_t narrow_to_fp16(uint32_t bits) {
    const uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    uint32_t half = 0x7c00;  // infinity and what rounds to it, from 65520 on
    if (size > 0x7f800000u) {
      half = 0x7e00u | (size >> 13 & 0x3ffu);  // NaN, its upper payload
    } else if (size < 0x33000000u) {
      half = 0;                       // below half the least subnormal, 2^-25
    } else if (size < 0x38800000u) {  // subnormal: multiples of 2^-24
      half = shift_right_even((size & 0x7fffffu) | 0x800000u, 126 - static_cast<int>(size >> 23));
    } else if (size < 0x477ff000u) {
      half = shift_right_even(size - 0x38000000u, 13);
    }
    return static_cast<uint16_t>(sign | half);
  }
  static float widen_fp16(uint16_t half) {
    const uint32_t sign = (half & 0x8000u) << 16, size = half & 0x7fffu;
    if (size > 0x7c00u) return from_bits(sign | 0x7fc00000u | size << 13);
    if (size == 0x7c00u) return from_bits(sign | 0x7f800000u);
    if (size >= 0x400u) return from_bits(sign | ((size << 13) + 0x38000000u));
    return from_bits(sign | to_bits(static_cast<float>(size) * 0x1p-24f));  // subnormal: exact
  }
};

}  // namespace cllm::kernels
