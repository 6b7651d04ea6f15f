#include "lattice/decode.h"

#include <cmath>
#include <numbers>

#include "decode_rig.h"
#include "lattice/closest.h"
#include "lattice/minimal_vectors.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

std::vector<double> random_targets(size_t count, double spread, uint64_t seed) {
  const Philox random(seed, RandomStream::kTest);
  std::vector<double> targets(count);
  for (size_t i = 0; i < count; ++i)
    targets[i] = spread * (2 * random.uniform(5, i) - 1);
  return targets;
}

// The answer belongs to the lattice, and the distance is its own.
void expect_consistent(Classical lattice, const std::vector<double>& targets, size_t count,
                       const std::vector<int64_t>& points, const std::vector<double>& distances) {
  const size_t dimension = facts(lattice).dimension;
  for (size_t p = 0; p < count; ++p) {
    std::vector<int64_t> point(dimension);
    double distance = 0;
    for (size_t i = 0; i < dimension; ++i) {
      point[i] = points[i * count + p];
      const double offset =
          (targets[i * count + p] - static_cast<double>(point[i])) * coordinate_scale(lattice, i);
      distance += offset * offset;
    }
    ASSERT_TRUE(contains(lattice, point)) << p;
    // n squares, each rounded a few times: 24 * 2^-50.
    ASSERT_TRUE(std::abs(distance - distances[p]) <= 1e-13 * (1 + distance)) << p;
  }
}

class DecodeTest : public ::testing::TestWithParam<Classical> {
 protected:
  Classical lattice_ = GetParam();
  size_t dimension_ = facts(lattice_).dimension;
};
INSTANTIATE_TEST_SUITE_P(All, DecodeTest, ::testing::ValuesIn(kAllClassical),
                         [](const auto& test) { return std::string(facts(test.param).name); });

TEST_P(DecodeTest, AnswersAreLatticePointsAtTheirDistance) {
  for (const size_t count : {1, 15, 16, 17, 100}) {
    const auto targets = random_targets(dimension_ * count, 20, count);
    std::vector<int64_t> points(targets.size());
    std::vector<double> distances(count);
    decode(lattice_, targets, count, points, distances);
    expect_consistent(lattice_, targets, count, points, distances);
  }
}

TEST_P(DecodeTest, LatticePointsDecodeToThemselves) {
  std::vector<int32_t> x(dimension_);
  std::vector<int64_t> point(dimension_);
  for (uint32_t index = 0; index < facts(lattice_).kissing_number; index += 37) {
    minimal_vector(lattice_, index, x);
    const std::vector<double> target(x.begin(), x.end());
    EXPECT_EQ(decode_one(lattice_, target, point), 0);
    EXPECT_TRUE(std::equal(point.begin(), point.end(), x.begin()));
  }
}

// The general search over fplll's reduction, in exact numbers, as a second opinion.
TEST_P(DecodeTest, EqualsTheExactClosestVector) {
  if (lattice_ == Classical::kA2) return;  // its basis has other coordinates; it has a test below
  const ClosestSolver solver(classical_basis(lattice_));
  const int rounds = lattice_ == Classical::kLeech ? 12 : 60;
  const auto targets = random_targets(dimension_ * static_cast<size_t>(rounds), 7, 3);
  for (int round = 0; round < rounds; ++round) {
    const std::vector<double> target(
        targets.begin() + static_cast<ptrdiff_t>(dimension_) * round,
        targets.begin() + static_cast<ptrdiff_t>(dimension_) * (round + 1));
    const RationalVector exact(target.begin(), target.end());
    std::vector<int64_t> point(dimension_);
    const double distance = decode_one(lattice_, target, point) * norm_divisor(lattice_);
    const double expected = solver.exact(exact).distance2.get_d();
    ASSERT_TRUE(std::abs(distance - expected) <= 1e-12 * (1 + expected)) << round;
  }
}

TEST_P(DecodeTest, ShiftsByLatticePointsShiftTheAnswer) {
  // 2^40 times a minimal vector is exact in a double, and the fractions survive beside it.
  const auto targets = random_targets(dimension_, 3, 11);
  std::vector<int32_t> x(dimension_);
  minimal_vector(lattice_, 3, x);
  std::vector<double> near(dimension_), far(dimension_);
  for (size_t i = 0; i < dimension_; ++i) {
    near[i] = std::round(targets[i] * 256) / 256;
    far[i] = near[i] + 0x1p40 * x[i];
  }
  std::vector<int64_t> point(dimension_), moved(dimension_);
  EXPECT_EQ(decode_one(lattice_, near, point), decode_one(lattice_, far, moved));
  for (size_t i = 0; i < dimension_; ++i)
    EXPECT_EQ(moved[i], point[i] + (int64_t{x[i]} << 40));
}

TEST_P(DecodeTest, RefusesWhatIsNoNumberOrTooLarge) {
  std::vector<double> target(dimension_);
  std::vector<int64_t> point(dimension_);
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL, 1e16, -1e300}) {
    target[dimension_ - 1] = bad;
    EXPECT_TRUE(
        throws_error([&] { decode_one(lattice_, target, point); }, ErrorKind::kData, "coordinate"));
  }
  target[dimension_ - 1] = -kLargestCoordinate;
  decode_one(lattice_, target, point);
  EXPECT_TRUE(contains(lattice_, point));
}

TEST(Decode, A2EqualsBruteForce) {
  const auto targets = random_targets(2 * 20'000, 4, 8);
  for (size_t p = 0; p < 20'000; ++p) {
    const std::vector<double> target = {targets[2 * p], targets[2 * p + 1]};
    double best = HUGE_VAL;
    for (int a = -8; a <= 8; ++a)
      for (int b = -8; b <= 8; ++b)
        if ((a + b) % 2 == 0) {
          const double u = target[0] - a, v = target[1] - b;
          best = std::min(best, u * u / 4 + v * v * 3 / 4);
        }
    std::vector<int64_t> point(2);
    ASSERT_TRUE(std::abs(decode_one(Classical::kA2, target, point) - best) <= 1e-13) << p;
  }
}

// D4 and BW16 by their cosets, written out here.
TEST(Decode, D4AndBw16EqualBruteForce) {
  for (uint64_t p = 0; p < 3000; ++p) {
    const auto four = random_targets(4, 5, p);
    std::vector<int64_t> point(4);
    EXPECT_TRUE(std::abs(decode_one(Classical::kD4, four, point) -
                         coset_distance2(four, std::vector<int>(4), 1, 0)) <= 1e-13);
    const auto sixteen = random_targets(16, 5, p + 5000);
    double best = HUGE_VAL;
    for (int word = 0; word < 32; ++word) {
      std::vector<int> residue(16);
      for (int i = 0; i < 16; ++i)
        residue[static_cast<size_t>(i)] = (word + (word >> 1) * (i & 1) + (word >> 2) * (i >> 1) +
                                           (word >> 3) * (i >> 2) + (word >> 4) * (i >> 3)) &
                                          1;
      best = std::min(best, coset_distance2(sixteen, residue, 2, 0));
    }
    point.resize(16);
    EXPECT_TRUE(std::abs(decode_one(Classical::kBw16, sixteen, point) - best / 2) <= 1e-12);
  }
}

TEST(Decode, TiesGoToANearestPoint) {
  // Deep holes and half-way points, where many points are equally near.
  const std::vector<std::vector<double>> eights = {
      std::vector<double>(8, 0.5), {2, 0, 0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 0, 0, 0, 0},
      std::vector<double>(8, 1.5), {1, 1, 0, 0, 0, 0, 0, 0}, {-1, 1, -1, 1, -1, 1, -1, 3}};
  for (const auto& target : eights) {
    std::vector<int64_t> point(8);
    const double best = std::min(coset_distance2(target, std::vector<int>(8), 2, 0),
                                 coset_distance2(target, std::vector<int>(8, 1), 2, 0));
    EXPECT_EQ(decode_one(Classical::kE8, target, point), best / 4);
    EXPECT_TRUE(contains(Classical::kE8, point));
  }
  // A deep hole of the Leech lattice: squared distance 2 to its nearest points, of which 0 is one.
  std::vector<double> hole(24);
  hole[0] = 4;
  std::vector<int64_t> point(24);
  EXPECT_EQ(decode_one(Classical::kLeech, hole, point), 2);
  EXPECT_TRUE(contains(Classical::kLeech, point));
}

TEST(SecondMoment, IsWithinThreeStandardErrors) {
  for (const Classical lattice : kAllClassical) {
    const uint64_t samples = lattice == Classical::kLeech ? 20'000 : 100'000;
    const SecondMoment found = measure_second_moment(lattice, samples, 1);
    EXPECT_GT(found.standard_error, 0);
    EXPECT_TRUE(std::abs(found.value - facts(lattice).second_moment) <= 3 * found.standard_error)
        << facts(lattice).name << " " << found.value << " +- " << found.standard_error;
    EXPECT_TRUE(found.standard_error <= 0.004 * found.value);
  }
}

}  // namespace
}  // namespace cllm::lattice
