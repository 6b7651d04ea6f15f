// Primality and factors of any 64-bit number, without error and without luck: Miller-Rabin with the
// first twelve primes as bases is proved for n < 3.18 * 10^23 (Sorenson, Webster, "Strong
// pseudoprimes to twelve prime bases", 2015); Pollard's rho in Brent's form (R. Brent, "An improved
// Monte Carlo factorization algorithm", 1980) finds the factors, with a fixed sequence of starts.
// Pure and thread-safe.
#pragma once

#include <cstdint>
#include <vector>

namespace cllm::number {

// Microseconds at most. 0 and 1 are not prime.
bool is_prime(uint64_t n);

struct PrimePower {
  uint64_t prime = 0;
  int exponent = 0;
  bool operator==(const PrimePower&) const = default;
};

// n = product of prime^exponent, primes ascending; empty for 1, and for 0, which has no
// factorisation. About n^(1/4) steps: under ten milliseconds for the worst n.
std::vector<PrimePower> factorize(uint64_t n);

// Prime factors counted with multiplicity (Omega), and Euler's totient; 0 for n = 0.
int factor_count(uint64_t n);
uint64_t totient(uint64_t n);

}  // namespace cllm::number
