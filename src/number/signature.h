// Squarefree numbers as sets of primes, stored as bit sets: bit i stands for the i-th prime of a
// PrimeBase. Then gcd is AND, lcm is OR, divisibility is inclusion, and the number of primes that
// two numbers share is a popcount of their AND. Only 15 primes fit a product of 64 bits; a set
// takes any number of them, and GMP has the number itself. Euclid's gcd (number/gcd.h) is the
// oracle.
#pragma once

#include <gmpxx.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace cllm::number {

// The first `size` primes, in order. Immutable; thread-safe.
class PrimeBase {
 public:
  // 1 <= size <= 2^20; else Error (kUsage).
  explicit PrimeBase(size_t size);

  size_t size() const { return primes_.size(); }
  uint64_t prime(size_t index) const { return primes_[index]; }
  // O(log size).
  std::optional<size_t> index(uint64_t prime) const;

 private:
  std::vector<uint64_t> primes_;
};

// A set of bits of a fixed size. Two that are combined must have the same size.
class Signature {
 public:
  // The empty set, the number 1.
  explicit Signature(size_t bits) : bits_(bits), words_((bits + 63) / 64) {}

  size_t bits() const { return bits_; }
  bool contains(size_t index) const { return ((words_[index / 64] >> (index % 64)) & 1) != 0; }
  void insert(size_t index) { words_[index / 64] |= uint64_t{1} << (index % 64); }
  // How many bits are set: omega, the number of prime factors.
  uint32_t weight() const;

  std::span<const uint64_t> words() const { return words_; }
  // Bits at and beyond bits() must stay 0.
  std::span<uint64_t> words() { return words_; }

  bool operator==(const Signature&) const = default;

 private:
  size_t bits_;
  std::vector<uint64_t> words_;
};

// O(words).
Signature gcd(const Signature& a, const Signature& b);
Signature lcm(const Signature& a, const Signature& b);
// Whether a divides b.
bool divides(const Signature& a, const Signature& b);
// omega(gcd(a, b)).
uint32_t shared_weight(const Signature& a, const Signature& b);

// The product of the primes of the set; signature.bits() <= base.size().
mpz_class to_number(const Signature& signature, const PrimeBase& base);
// The set of base.size() bits whose product is n. Error (kUsage) unless n is positive, squarefree
// and has no prime outside the base. O(base.size() * size of n).
Signature to_signature(const mpz_class& n, const PrimeBase& base);

}  // namespace cllm::number
