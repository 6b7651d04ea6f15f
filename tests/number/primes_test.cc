#include "number/primes.h"

#include <gtest/gtest.h>

#include "number/factor.h"
#include "number/number_testing.h"

namespace cllm::number {
namespace {

TEST(CountPrimes, MatchesTheKnownCounts) {
  // OEIS A006880. 10^10 and 10^11: slow_primes_test.cc.
  const std::vector<uint64_t> known = {4, 25, 168, 1229, 9592, 78498, 664579, 5761455, 50847534};
  uint64_t limit = 1;
  for (const uint64_t count : known) {
    limit *= 10;
    EXPECT_EQ(count_primes(0, limit), count) << limit;
  }
}

TEST(CountPrimes, IncludesBothEnds) {
  EXPECT_EQ(count_primes(0, 0), 0u);
  EXPECT_EQ(count_primes(0, 1), 0u);
  EXPECT_EQ(count_primes(2, 2), 1u);
  EXPECT_EQ(count_primes(3, 5), 2u);
  EXPECT_EQ(count_primes(5, 3), 0u);
}

TEST(CountPrimes, AgreesWithTestingEachNumberFarOut) {
  const uint64_t first = 1000000000000000u;
  uint64_t count = 0;
  for (uint64_t n = first; n <= first + 5000; ++n)
    count += is_prime(n) ? 1 : 0;
  EXPECT_EQ(count_primes(first, first + 5000), count);
}

TEST(NthPrime, InvertsTheCount) {
  EXPECT_EQ(nth_prime(1), 2u);
  EXPECT_EQ(nth_prime(6), 13u);
  EXPECT_EQ(nth_prime(1000000), 15485863u);  // OEIS A006988
  EXPECT_EQ(count_primes(0, nth_prime(12345)), 12345u);
  expect_error([] { nth_prime(0); }, ErrorKind::kUsage, "no such prime");
  expect_error([] { nth_prime(kPrimesBelow2To64 + 1); }, ErrorKind::kUsage, "no such prime");
}

TEST(ListPrimes, GivesThemInOrder) {
  EXPECT_EQ(primes_between(10, 30), (std::vector<uint64_t>{11, 13, 17, 19, 23, 29}));
  EXPECT_EQ(first_primes(5), (std::vector<uint64_t>{2, 3, 5, 7, 11}));
  EXPECT_TRUE(first_primes(0).empty());
  EXPECT_TRUE(primes_between(24, 28).empty());
  EXPECT_TRUE(primes_between(28, 24).empty());
}

TEST(ListPrimes, RefusesWhatWouldNotFit) {
  expect_error([] { primes_between(0, ~uint64_t{0}); }, ErrorKind::kMemory, "smaller range");
  expect_error([] { first_primes(~uint64_t{0}); }, ErrorKind::kMemory, "too many");
  expect_error([] { PrimeMarks(0, ~uint64_t{0}); }, ErrorKind::kMemory, "smaller range");
  expect_error([] { factor_counts(~uint64_t{0}); }, ErrorKind::kMemory, "smaller range");
}

TEST(PrimeMarks, MarkExactlyThePrimes) {
  for (const uint64_t first : {uint64_t{0}, uint64_t{1}, uint64_t{97}, uint64_t{1000003}}) {
    const PrimeMarks marks(first, first + 1000);
    for (uint64_t n = first; n <= first + 1000; ++n)
      ASSERT_EQ(marks[n], is_prime(n)) << n;
  }
}

TEST(FactorCounts, AgreeWithFactoring) {
  const std::vector<uint8_t> counts = factor_counts(20000);
  ASSERT_EQ(counts.size(), 20001u);
  for (uint64_t n = 0; n < counts.size(); ++n)
    ASSERT_EQ(counts[n], factor_count(n)) << n;
  EXPECT_EQ(factor_counts(0), std::vector<uint8_t>{0});
}

TEST(PrimeIterator, WalksUpAndDown) {
  PrimeIterator primes(10);
  EXPECT_EQ(primes.next(), 11u);
  EXPECT_EQ(primes.next(), 13u);
  EXPECT_EQ(primes.previous(), 11u);
  EXPECT_EQ(primes.previous(), 7u);
  EXPECT_EQ(primes.next(), 11u);
  EXPECT_EQ(PrimeIterator(10).previous(), 7u);
  EXPECT_EQ(PrimeIterator(7).previous(), 7u);
  EXPECT_EQ(PrimeIterator(7).next(), 7u);
}

TEST(PrimeIterator, StopsAtTwo) {
  PrimeIterator down(5);
  EXPECT_EQ(down.previous(), 5u);
  EXPECT_EQ(down.previous(), 3u);
  EXPECT_EQ(down.previous(), 2u);
  EXPECT_EQ(down.previous(), std::nullopt);
  EXPECT_EQ(down.next(), 3u);
}

TEST(PrimeIterator, MatchesTheListPastTheHint) {
  PrimeIterator primes(0, 100);
  for (const uint64_t p : first_primes(5000))
    ASSERT_EQ(primes.next(), p);
}

}  // namespace
}  // namespace cllm::number
