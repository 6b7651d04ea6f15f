#include "lattice/coincidence.h"

#include "lattice_rig.h"
#include "number/clocks.h"

namespace cllm::lattice {
namespace {

TEST(Coincidence, EqualsExhaustiveSearch) {
  const std::vector<std::vector<uint64_t>> sets = {{1},
                                                   {12},
                                                   {12, 60},
                                                   {7, 11, 13},
                                                   {97, 101, 103, 107},
                                                   {1009, 2003, 4001},
                                                   {6, 10, 15, 21, 35, 77},
                                                   {360, 365, 29, 7, 19}};
  for (const auto& moduli : sets)
    for (const char* text : {"0", "1/100", "1/20", "1/7", "2/5"}) {
      const mpq_class tolerance(text);
      const auto expected = number::smallest_coincidence(moduli, 100'000, tolerance);
      const auto found = smallest_coincidence(moduli, tolerance, 100'000);
      ASSERT_EQ(found.has_value(), expected.has_value()) << moduli[0] << " " << text;
      EXPECT_EQ(found.value_or(0), mpz_class(expected.value_or(0))) << moduli[0] << " " << text;
    }
}

TEST(Coincidence, ReachesShiftsBeyondExhaustiveSearch) {
  // Within 1/30 of a turn a clock of less than 30 positions is exact: the answer is a multiple of
  // 3 * 5 * ... * 29 = 3234846615 at which the clock of 31 is one position off at most.
  const std::vector<uint64_t> moduli = {3, 5, 7, 11, 13, 17, 19, 23, 29, 31};
  const mpq_class tolerance(1, 30);
  const auto shift = smallest_coincidence(moduli, tolerance, mpz_class(1) << 62);
  ASSERT_TRUE(shift.has_value());
  uint64_t expected = 3234846615;
  while (!number::clocks_coincide(moduli, expected, tolerance))
    expected += 3234846615;
  EXPECT_EQ(*shift, mpz_class(expected));
  EXPECT_TRUE(number::clocks_coincide(moduli, shift->get_ui(), tolerance));
  EXPECT_FALSE(smallest_coincidence(moduli, tolerance, *shift - 1).has_value());
}

TEST(Coincidence, RefusesWhatMakesNoSense) {
  const std::vector<uint64_t> good = {3, 5}, zero = {3, 0}, many(25, 7);
  const auto refused = [](const std::vector<uint64_t>& moduli, const mpq_class& tolerance,
                          const mpz_class& limit, const char* part) {
    EXPECT_TRUE(throws_error([&] { smallest_coincidence(moduli, tolerance, limit); },
                             ErrorKind::kUsage, part));
  };
  refused({}, 0, 5, "0 clocks");
  refused(many, 0, 5, "25 clocks");
  refused(zero, 0, 5, "no positions");
  refused(good, mpq_class(1, 2), 5, "tolerance");
  refused(good, -1, 5, "tolerance");
  refused(good, 0, 0, "limit");
}

}  // namespace
}  // namespace cllm::lattice
