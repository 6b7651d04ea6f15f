// The vector interface with one lane: every kernel's scalar form comes from the same template as
// its SIMD forms. Kernel internal: included by scalar.cc only.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace cllm::kernels {

struct ScalarVec {
  using Float = float;
  static constexpr int kLanes = 1;
  static Float zero() { return 0.0f; }
  static Float set(float x) { return x; }
  static Float load(const float* p) { return *p; }
  static void store(float* p, Float x) { *p = x; }
  // The first n lanes, 0 <= n <= kLanes; the others read as zero and are not written.
  static Float load_partial(const float* p, int64_t n) { return n > 0 ? *p : 0.0f; }
  static void store_partial(float* p, int64_t n, Float x) {
    if (n > 0) *p = x;
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
    const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return a * power;
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
};

}  // namespace cllm::kernels
