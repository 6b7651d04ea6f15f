#include "number/factor.h"

#include <gtest/gtest.h>

#include <limits>

#include "number/gcd.h"
#include "number/modular.h"
#include "number/number_testing.h"
#include "number/primes.h"

namespace cllm::number {
namespace {

constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();

// The product of the factors, checking that they are prime and ascend.
uint64_t multiplied(const std::vector<PrimePower>& powers) {
  uint64_t product = 1, before = 0;
  for (const PrimePower& power : powers) {
    EXPECT_GT(power.prime, before);
    EXPECT_TRUE(is_prime(power.prime)) << power.prime;
    EXPECT_GE(power.exponent, 1);
    before = power.prime;
    for (int i = 0; i < power.exponent; ++i)
      product *= power.prime;
  }
  return product;
}

TEST(IntegerRoot, IsTheFloorEverywhere) {
  for (uint64_t n = 0; n < 10000; ++n) {
    const uint64_t r = integer_root(n);
    EXPECT_TRUE(r * r <= n && (r + 1) * (r + 1) > n) << n;
  }
  for (uint64_t r : {uint64_t{3037000499}, uint64_t{94906267}, uint64_t{4294967295}}) {
    EXPECT_EQ(integer_root(r * r), r);
    EXPECT_EQ(integer_root(r * r - 1), r - 1);
  }
  EXPECT_EQ(integer_root(kLast), 4294967295u);
}

TEST(Montgomery, AgreesWithDivision) {
  for (uint64_t i = 0; i < 2000; ++i) {
    const uint64_t m = random_word(1, i) | 1, a = random_word(2, i), b = random_word(3, i);
    const Montgomery montgomery(m);
    // Multiplying by the plain number 1 leaves Montgomery's form.
    const auto plain = [&](uint64_t x) { return montgomery.multiply(x, 1); };
    const uint64_t x = montgomery.from(a), y = montgomery.from(b);
    EXPECT_EQ(plain(montgomery.multiply(x, y)), multiply_modulo(a % m, b % m, m));
    EXPECT_EQ(plain(montgomery.add(x, y)), static_cast<uint64_t>((uint128{a % m} + b % m) % m));
    EXPECT_EQ(plain(montgomery.power(x, 3)),
              multiply_modulo(multiply_modulo(a % m, a % m, m), a % m, m));
  }
}

TEST(Prime, AgreesWithTheSieveOnSmallNumbers) {
  constexpr uint64_t kLimit = 200000;
  const PrimeMarks marks(0, kLimit);
  for (uint64_t n = 0; n <= kLimit; ++n)
    ASSERT_EQ(is_prime(n), marks[n]) << n;
}

TEST(Prime, IsNotDeceivedByStrongPseudoprimes) {
  // psi_k, the least composite that passes the strong test to the first k primes (OEIS A014233).
  for (const uint64_t n : {uint64_t{2047}, uint64_t{1373653}, uint64_t{25326001},
                           uint64_t{3215031751}, uint64_t{2152302898747}, uint64_t{3474749660383},
                           uint64_t{341550071728321}, uint64_t{3825123056546413051}})
    EXPECT_FALSE(is_prime(n)) << n;
  // Carmichael numbers.
  for (const uint64_t n : {561u, 1105u, 1729u, 41041u, 825265u, 321197185u})
    EXPECT_FALSE(is_prime(n)) << n;
  EXPECT_TRUE(is_prime((uint64_t{1} << 61) - 1));
  EXPECT_TRUE(is_prime(kLargestPrime));
  EXPECT_FALSE(is_prime(kLast));
}

TEST(Factorize, KnowsTheEdges) {
  EXPECT_TRUE(factorize(0).empty());
  EXPECT_TRUE(factorize(1).empty());
  EXPECT_EQ(factorize(2), (std::vector<PrimePower>{{2, 1}}));
  EXPECT_EQ(factorize(uint64_t{1} << 63), (std::vector<PrimePower>{{2, 63}}));
  EXPECT_EQ(factorize(kLast),
            (std::vector<PrimePower>{
                {3, 1}, {5, 1}, {17, 1}, {257, 1}, {641, 1}, {65537, 1}, {6700417, 1}}));
  EXPECT_EQ(factorize(kLargestPrime), (std::vector<PrimePower>{{kLargestPrime, 1}}));
  // The largest square, and the cube, fourth and fifth power of a prime just above trial division.
  EXPECT_EQ(factorize(uint64_t{4294967291} * 4294967291),
            (std::vector<PrimePower>{{4294967291, 2}}));
  EXPECT_EQ(factorize(uint64_t{2642239} * 2642239 * 2642239),
            (std::vector<PrimePower>{{2642239, 3}}));
  EXPECT_EQ(factorize(uint64_t{211} * 211 * 211 * 211 * 211 * 223),
            (std::vector<PrimePower>{{211, 5}, {223, 1}}));
  // 47#: fifteen primes.
  EXPECT_EQ(factorize(614889782588491410u).size(), 15u);
}

TEST(Factorize, MultipliesBack) {
  for (uint64_t n = 1; n < 20000; ++n)
    ASSERT_EQ(multiplied(factorize(n)), n);
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t n = random_word(5, i) >> (i % 64);
    if (n != 0) {
      ASSERT_EQ(multiplied(factorize(n)), n);
    }
  }
}

TEST(Factorize, SplitsTheHardest) {
  // Products of two primes of 32 bits.
  PrimeIterator primes(uint64_t{1} << 31), more(4294900000u);
  for (int i = 0; i < 20; ++i) {
    const uint64_t p = *primes.next(), q = *more.next();
    EXPECT_EQ(factorize(p * q), (std::vector<PrimePower>{{p, 1}, {q, 1}}));
  }
}

TEST(Totient, CountsTheCoprime) {
  for (uint64_t n = 1; n < 300; ++n) {
    uint64_t coprime = 0;
    for (uint64_t k = 1; k <= n; ++k)
      coprime += euclid_gcd(k, n) == 1 ? 1 : 0;
    EXPECT_EQ(totient(n), coprime) << n;
  }
  EXPECT_EQ(totient(0), 0u);
  EXPECT_EQ(factor_count(0), 0);
  EXPECT_EQ(factor_count(360), 6);
}

}  // namespace
}  // namespace cllm::number
