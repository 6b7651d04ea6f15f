#include <gtest/gtest.h>

#include "number/factor.h"
#include "number/primes.h"

namespace cllm::number {
namespace {

// OEIS A006880.
TEST(CountPrimes, UpTo10To10) {
  EXPECT_EQ(count_primes(0, 10000000000u), 455052511u);
}

TEST(CountPrimes, UpTo10To11) {
  EXPECT_EQ(count_primes(0, 100000000000u), 4118054813u);
}

TEST(NthPrime, The10To9th) {
  EXPECT_EQ(nth_prime(1000000000), 22801763489u);  // OEIS A006988
}

// Near 2^64 every sieve begins with all primes below 2^32, which takes a second.
TEST(EndOf64Bits, CountsListsAndMarksAgreeWithTesting) {
  const uint64_t last = ~uint64_t{0}, first = last - 20000;
  EXPECT_EQ(count_primes(kLargestPrime, last), 1u);
  EXPECT_EQ(count_primes(kLargestPrime + 1, last), 0u);
  EXPECT_EQ(primes_between(first, last).back(), kLargestPrime);
  const PrimeMarks marks(first, last);
  for (uint64_t n = first; n != 0; ++n)
    ASSERT_EQ(is_prime(n), marks[n]) << n;
}

TEST(EndOf64Bits, StopsTheIterator) {
  PrimeIterator up(kLargestPrime - 60);
  std::vector<uint64_t> seen;
  for (auto p = up.next(); p; p = up.next())
    seen.push_back(*p);
  EXPECT_EQ(seen, primes_between(kLargestPrime - 60, ~uint64_t{0}));
  EXPECT_EQ(up.next(), std::nullopt);
  EXPECT_NE(up.previous(), std::nullopt);
  EXPECT_EQ(PrimeIterator(~uint64_t{0}).next(), std::nullopt);
  EXPECT_EQ(PrimeIterator(~uint64_t{0}).previous(), kLargestPrime);
}

}  // namespace
}  // namespace cllm::number
