// Numbers as positions of clock hands. ResidueSystem: independent clocks of pairwise coprime sizes
// that show n mod m, and the way back (Chinese remainder theorem; Garner, 1959). ClockAbacus: rings
// that carry into the next, digits of a mixed radix, e.g. 12, 60, 60. And the shift after which all
// of a set of clocks almost agree again. Immutable after construction; thread-safe.
#pragma once

#include <gmpxx.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace cllm::number {

class ResidueSystem {
 public:
  // Each modulus >= 2, pairwise coprime, at most 4096 of them; else Error (kUsage).
  explicit ResidueSystem(std::vector<uint64_t> moduli);

  std::span<const uint64_t> moduli() const { return moduli_; }
  // The product of the moduli: so many numbers are told apart.
  const mpz_class& range() const { return range_; }

  // n mod each modulus, for any n.
  std::vector<uint64_t> residues(const mpz_class& n) const;
  // The number in [0, range()) with these residues, each below its modulus; else Error (kUsage).
  mpz_class value(std::span<const uint64_t> residues) const;
  // The same in [-range() / 2, range() / 2), for signed numbers.
  mpz_class signed_value(std::span<const uint64_t> residues) const;

  // Clock by clock, without carries: the residues of the sum and of the product.
  std::vector<uint64_t> add(std::span<const uint64_t> a, std::span<const uint64_t> b) const;
  std::vector<uint64_t> multiply(std::span<const uint64_t> a, std::span<const uint64_t> b) const;

  // Digits d with value = d[0] + moduli[0] (d[1] + moduli[1] (d[2] + ...)): what two sets of
  // residues are compared by without long arithmetic. O(moduli^2).
  std::vector<uint64_t> mixed_radix(std::span<const uint64_t> residues) const;

 private:
  void require_residues(std::span<const uint64_t> residues) const;

  std::vector<uint64_t> moduli_;
  std::vector<uint64_t> inverses_;  // of moduli_[j] modulo moduli_[i], at i (i - 1) / 2 + j, j < i
  mpz_class range_;
};

class ClockAbacus {
 public:
  // Ring 0 turns fastest; a full turn of a ring moves the next by one. Each ring >= 2, at least
  // one, at most 4096; else Error (kUsage).
  explicit ClockAbacus(std::vector<uint64_t> rings);

  std::span<const uint64_t> rings() const { return rings_; }
  const mpz_class& range() const { return range_; }

  // The positions of the rings for 0 <= n < range(); else Error (kUsage).
  std::vector<uint64_t> digits(const mpz_class& n) const;
  // Each digit below its ring; else Error (kUsage).
  mpz_class value(std::span<const uint64_t> digits) const;
  // digits = digits + n by moving hands, carries included; the hands wrap around at range().
  // Returns whether they did.
  bool advance(std::span<uint64_t> digits, uint64_t n) const;

 private:
  void require_digits(std::span<const uint64_t> digits) const;

  std::vector<uint64_t> rings_;
  mpz_class range_;
};

// The distance of shift / m to the next whole number, as a numerator over m: min(r, m - r) with r =
// shift mod m.
inline uint64_t clock_distance(uint64_t shift, uint64_t m) {
  const uint64_t r = shift % m;
  return r < m - r ? r : m - r;
}

// Whether after `shift` every clock (of m positions, m >= 1) is within `tolerance` turns of where
// it was: clock_distance(shift, m) <= tolerance * m, compared exactly. tolerance: 0 <= t <= 1/2.
bool clocks_coincide(std::span<const uint64_t> moduli, uint64_t shift, const mpq_class& tolerance);

// The smallest shift in [1, limit] with clocks_coincide, by exhaustive search: the certificate for
// what lattice reduction proposes. About limit / m0 steps times the share of survivors, m0 the
// largest modulus, divided by its tolerated positions. `stop`, if given, is asked every 2^20 steps;
// true ends the search with Error (kRuntime). Error (kUsage) for no clocks, a zero modulus, or a
// tolerance out of range.
std::optional<uint64_t> smallest_coincidence(std::span<const uint64_t> moduli, uint64_t limit,
                                             const mpq_class& tolerance,
                                             const std::function<bool()>& stop = {});

}  // namespace cllm::number
