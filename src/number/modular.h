// Arithmetic modulo a 64-bit number: products through 128 bits, and Montgomery's form for odd
// moduli (P. Montgomery, "Modular multiplication without trial division", 1985), which needs no
// division. All functions are pure and thread-safe; O(1) unless they say otherwise.
#pragma once

#include <cstdint>

namespace cllm::number {

__extension__ typedef unsigned __int128 uint128;

// a * b mod m, m >= 1.
inline uint64_t multiply_modulo(uint64_t a, uint64_t b, uint64_t m) {
  return static_cast<uint64_t>(uint128{a} * b % m);
}

// The largest r with r * r <= n.
uint64_t integer_root(uint64_t n);

// Residues modulo an odd m > 1 as r * 2^64 mod m. Every function takes and gives values below m.
class Montgomery {
 public:
  explicit Montgomery(uint64_t m) : m_(m) {
    // Newton's iteration doubles the correct bits of 1 / m mod 2^64; m itself has three.
    uint64_t inverse = m;
    for (int i = 0; i < 5; ++i)
      inverse *= 2 - m * inverse;
    inverse_ = inverse;
    one_ = (0 - m) % m;
    square_ = multiply_modulo(one_, one_, m);
  }

  uint64_t modulus() const { return m_; }
  uint64_t one() const { return one_; }
  uint64_t from(uint64_t a) const { return multiply(a % m_, square_); }
  uint64_t multiply(uint64_t a, uint64_t b) const {
    const uint128 product = uint128{a} * b;
    const uint64_t q = static_cast<uint64_t>(product) * inverse_;
    const uint64_t high = static_cast<uint64_t>(product >> 64);
    const uint64_t carried = static_cast<uint64_t>((uint128{q} * m_) >> 64);
    return high >= carried ? high - carried : high - carried + m_;
  }
  uint64_t add(uint64_t a, uint64_t b) const { return a >= m_ - b ? a - (m_ - b) : a + b; }
  // base^exponent; O(log exponent).
  uint64_t power(uint64_t base, uint64_t exponent) const {
    uint64_t result = one_;
    for (; exponent != 0; exponent >>= 1) {
      if ((exponent & 1) != 0) result = multiply(result, base);
      base = multiply(base, base);
    }
    return result;
  }

 private:
  uint64_t m_, inverse_, one_, square_;  // square_: 2^128 mod m
};

}  // namespace cllm::number
