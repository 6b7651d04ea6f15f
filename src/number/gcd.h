// The greatest common divisor of two 64-bit numbers, by division and by shifts. They are the
// baseline of the bit-set form (number/signature.h), and its oracle. gcd(0, n) = n. Pure.
#pragma once

#include <bit>
#include <cstdint>
#include <utility>

namespace cllm::number {

// Euclid: one division a round, O(log) rounds.
inline uint64_t euclid_gcd(uint64_t a, uint64_t b) {
  while (b != 0)
    a = std::exchange(b, a % b);
  return a;
}

// Stein's binary form: shifts and subtractions only.
inline uint64_t binary_gcd(uint64_t a, uint64_t b) {
  if (a == 0 || b == 0) return a | b;
  const int shift = std::countr_zero(a | b);
  a >>= std::countr_zero(a);
  do {
    b >>= std::countr_zero(b);
    if (a > b) std::swap(a, b);
    b -= a;
  } while (b != 0);
  return a << shift;
}

}  // namespace cllm::number
