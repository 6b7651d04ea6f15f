#include "number/clocks.h"

#include <gtest/gtest.h>

#include "number/number_testing.h"
#include "number/primes.h"

namespace cllm::number {
namespace {

using Digits = std::vector<uint64_t>;

TEST(ResidueSystem, SolvesSunzi) {
  const ResidueSystem system({3, 5, 7});
  EXPECT_EQ(system.value(Digits{2, 3, 2}), 23);
  EXPECT_EQ(system.range(), 105);
}

TEST(ResidueSystem, GoesBothWaysForEveryNumber) {
  const ResidueSystem system({4, 9, 25, 7});
  for (int n = 0; n < system.range(); ++n) {
    const Digits residues = system.residues(n);
    ASSERT_EQ(system.value(residues), n);
    // A mixed-radix number is its digits, weighted by the moduli below.
    const Digits d = system.mixed_radix(residues);
    ASSERT_EQ(d[0] + 4 * (d[1] + 9 * (d[2] + 25 * d[3])), static_cast<uint64_t>(n));
  }
}

TEST(ResidueSystem, GoesBothWaysForLongNumbers) {
  Digits moduli;
  PrimeIterator primes(uint64_t{1} << 44);
  for (int i = 0; i < 40; ++i)
    moduli.push_back(*primes.previous());
  const ResidueSystem system(moduli);
  for (uint64_t i = 0; i < 200; ++i) {
    const mpz_class n = random_integer(1750, false, 1, i), m = random_integer(800, true, 2, i);
    EXPECT_EQ(system.value(system.residues(n)), n);
    EXPECT_EQ(system.signed_value(system.residues(m)), m);
    const Digits sum = system.add(system.residues(n), system.residues(m));
    const Digits product = system.multiply(system.residues(m), system.residues(m + 1));
    EXPECT_EQ(system.residues(n + m), sum);
    EXPECT_EQ(system.signed_value(product), m * (m + 1));
  }
}

TEST(ResidueSystem, SignedRangeIsHalfOpen) {
  const ResidueSystem even({2, 5}), odd({3, 5});
  EXPECT_EQ(even.signed_value(even.residues(-5)), -5);
  EXPECT_EQ(even.signed_value(even.residues(5)), -5);
  EXPECT_EQ(odd.signed_value(odd.residues(7)), 7);
  EXPECT_EQ(odd.signed_value(odd.residues(8)), -7);
}

TEST(ResidueSystem, RefusesBadModuliAndResidues) {
  expect_error([] { ResidueSystem({}); }, ErrorKind::kUsage, "moduli");
  expect_error([] { ResidueSystem({6, 35, 10}); }, ErrorKind::kUsage, "share a factor");
  expect_error([] { ResidueSystem({3, 1}); }, ErrorKind::kUsage, "too small");
  expect_error([] { ResidueSystem({3, 0}); }, ErrorKind::kUsage, "too small");
  const ResidueSystem system({3, 5});
  expect_error([&] { system.value(Digits{3, 0}); }, ErrorKind::kUsage, "3 on a clock of 3");
  expect_error([&] { system.value(Digits{0}); }, ErrorKind::kUsage, "1 of them for 2");
}

TEST(ClockAbacus, ShowsTimeOfDay) {
  const ClockAbacus clock({60, 60, 24});
  const Digits noon = clock.digits(12 * 3600 + 34 * 60 + 56);
  EXPECT_EQ(noon, (Digits{56, 34, 12}));
  EXPECT_EQ(clock.value(noon), 12 * 3600 + 34 * 60 + 56);
  EXPECT_EQ(clock.range(), 86400);
}

TEST(ClockAbacus, AdvancesWithCarries) {
  const ClockAbacus clock({12, 60, 60, 100, 1000});
  Digits hands = clock.digits(0);
  mpz_class n = 0;
  for (uint64_t i = 0; i < 3000; ++i) {
    const uint64_t step = random_word(1, i) >> (i % 64);
    n += mpz_class(step);
    const bool wrapped = clock.advance(hands, step);
    EXPECT_EQ(wrapped, n >= clock.range());
    n %= clock.range();
    ASSERT_EQ(clock.value(hands), n);
    ASSERT_EQ(clock.digits(n), hands);
  }
}

TEST(ClockAbacus, TakesTheLargestRings) {
  const uint64_t largest = ~uint64_t{0};
  const ClockAbacus clock({largest, largest});
  Digits hands = {largest - 1, largest - 1};
  EXPECT_TRUE(clock.advance(hands, largest));
  EXPECT_EQ(hands, (Digits{largest - 1, 0}));
}

TEST(ClockAbacus, RefusesWhatDoesNotFit) {
  const ClockAbacus clock({10, 10});
  expect_error([&] { clock.digits(100); }, ErrorKind::kUsage, "does not fit");
  expect_error([&] { clock.digits(-1); }, ErrorKind::kUsage, "does not fit");
  expect_error([&] { clock.value(Digits{10, 0}); }, ErrorKind::kUsage, "10 on a clock of 10");
  expect_error([] { ClockAbacus({}); }, ErrorKind::kUsage, "rings");
}

TEST(Coincidence, IsTheCommonPeriodWithoutTolerance) {
  EXPECT_EQ(smallest_coincidence(Digits{4, 6, 10}, 1000, 0), 60u);
  EXPECT_EQ(smallest_coincidence(Digits{4, 6, 10}, 59, 0), std::nullopt);
  EXPECT_EQ(smallest_coincidence(Digits{4, 6, 10}, 60, 0), 60u);
  EXPECT_EQ(smallest_coincidence(Digits{1}, 5, 0), 1u);
}

TEST(Coincidence, IsTheFirstOfAllShifts) {
  const Digits clocks = {7, 11, 30, 97};
  for (const mpq_class& tolerance :
       {mpq_class(0), mpq_class(1, 97), mpq_class(1, 20), mpq_class(1, 7), mpq_class(1, 2)}) {
    const auto found = smallest_coincidence(clocks, 100000, tolerance);
    std::optional<uint64_t> expected;
    for (uint64_t shift = 1; shift <= 100000 && !expected; ++shift) {
      bool all = true;
      for (const uint64_t m : clocks)
        all = all && mpq_class(clock_distance(shift, m), m) <= tolerance;
      EXPECT_EQ(clocks_coincide(clocks, shift, tolerance), all);
      if (all) expected = shift;
    }
    EXPECT_EQ(found, expected) << tolerance;
  }
}

TEST(Coincidence, ToleranceIsComparedExactly) {
  EXPECT_EQ(smallest_coincidence(Digits{355}, 10000, mpq_class(1, 356)), 355u);
  EXPECT_EQ(smallest_coincidence(Digits{355}, 10000, mpq_class(1, 355)), 1u);
}

TEST(Coincidence, ReachesTheEndOf64Bits) {
  const uint64_t largest = ~uint64_t{0};
  EXPECT_EQ(smallest_coincidence(Digits{largest}, largest, 0), largest);
  EXPECT_EQ(smallest_coincidence(Digits{largest}, largest - 1, 0), std::nullopt);
}

TEST(Coincidence, RefusesBadArgumentsAndStops) {
  expect_error([] { smallest_coincidence({}, 10, 0); }, ErrorKind::kUsage, "none");
  expect_error([] { smallest_coincidence(Digits{0}, 10, 0); }, ErrorKind::kUsage, "no positions");
  expect_error([] { smallest_coincidence(Digits{3}, 10, mpq_class(-1, 2)); }, ErrorKind::kUsage,
               "tolerance");
  expect_error([] { smallest_coincidence(Digits{3}, 10, mpq_class(2, 3)); }, ErrorKind::kUsage,
               "tolerance");
  const Digits never = {3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47};
  expect_error([&] { smallest_coincidence(never, ~uint64_t{0}, 0, [] { return true; }); },
               ErrorKind::kRuntime, "stopped");
}

}  // namespace
}  // namespace cllm::number
