// What takes seconds: the larger shells of the Leech lattice, and the decoders against brute force
// on many points.
#include <bit>
#include <cmath>

#include "decode_rig.h"
#include "lattice/decode.h"
#include "lattice/theta.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

// OEIS A008408.
TEST(SlowTheta, LeechShellsByCounting) {
  const std::vector<Shell> shells = count_shells(Classical::kLeech, 8);
  ASSERT_EQ(shells.size(), 4u);
  EXPECT_EQ(shells[1].count, 196'560u);
  EXPECT_EQ(shells[2].count, 16'773'120u);
  EXPECT_EQ(shells[3].count, 398'034'000u);
}

// Both cosets of 2 D8 with every choice of floor and ceiling: 2 * 128 points per target.
double e8_brute_force(const double* x) {
  double best = HUGE_VAL;
  for (int odd = 0; odd < 2; ++odd) {
    double low[8], error[8][2];
    long base = 0;
    for (size_t i = 0; i < 8; ++i) {
      low[i] = 2 * std::floor((x[i] - odd) / 2) + odd;
      base += static_cast<long>(std::fmod(low[i], 4));
      for (int up = 0; up < 2; ++up) {
        const double offset = x[i] - low[i] - 2 * up;
        error[i][up] = offset * offset;
      }
    }
    for (unsigned choice = 0; choice < 256; ++choice) {
      if ((base + 2 * std::popcount(choice)) % 4 != 0) continue;
      double sum = 0;
      for (size_t i = 0; i < 8; ++i)
        sum += error[i][choice >> i & 1];
      best = std::min(best, sum);
    }
  }
  return best / 4;
}

TEST(SlowDecode, E8EqualsBruteForceOnAMillionPoints) {
  constexpr size_t kCount = 1'000'000;
  const Philox random(1, RandomStream::kTest);
  std::vector<double> targets(8 * kCount);
  for (size_t p = 0; p < kCount; ++p)
    for (size_t i = 0; i < 8; ++i) {
      double x = 10 * (2 * random.uniform(i, p) - 1);
      if (p % 5 == 0) x = std::round(2 * x) / 2;        // ties
      if (p % 7 == 0) x = std::round(x * 0x1p46 / 10);  // huge
      targets[i * kCount + p] = x;
    }
  std::vector<int64_t> points(targets.size());
  std::vector<double> distances(kCount);
  decode(Classical::kE8, targets, kCount, points, distances);
  for (size_t p = 0; p < kCount; ++p) {
    double x[8];
    std::vector<int64_t> point(8);
    double own = 0;
    for (size_t i = 0; i < 8; ++i) {
      x[i] = targets[i * kCount + p];
      point[i] = points[i * kCount + p];
      own += (x[i] - static_cast<double>(point[i])) * (x[i] - static_cast<double>(point[i]));
    }
    ASSERT_TRUE(contains(Classical::kE8, point));
    ASSERT_TRUE(std::abs(distances[p] - e8_brute_force(x)) <= 1e-13) << p;
    ASSERT_TRUE(std::abs(distances[p] - own / 4) <= 1e-13) << p;
  }
}

// All 8192 classes; that they make up the lattice is what its volume and its shells show.
TEST(SlowDecode, LeechEqualsExhaustiveCosetSearch) {
  constexpr size_t kCount = 10'000;
  std::vector<std::vector<int>> residues;
  for (size_t index = 0; index < class_count(Classical::kLeech); ++index) {
    const LatticeClass next = lattice_class(Classical::kLeech, index);
    residues.emplace_back(next.residue.begin(), next.residue.end());
  }
  const Philox random(2, RandomStream::kTest);
  std::vector<double> target(24);
  std::vector<int64_t> point(24);
  for (size_t p = 0; p < kCount; ++p) {
    for (size_t i = 0; i < 24; ++i) {
      target[i] = 30 * (2 * random.uniform(i, p) - 1);
      if (p % 5 == 0) target[i] = std::round(target[i]);               // ties
      if (p % 7 == 0) target[i] = std::round(target[i] * 0x1p40) / 4;  // huge
    }
    double best = HUGE_VAL;
    for (size_t index = 0; index < residues.size(); ++index)
      best = std::min(best, coset_distance2(target, residues[index], 4, index < 4096 ? 0 : 4));
    const double found = decode_one(Classical::kLeech, target, point);
    ASSERT_TRUE(std::abs(found - best / 8) <= 1e-12) << p;
    ASSERT_TRUE(contains(Classical::kLeech, point));
  }
}

TEST(SlowSecondMoment, IsWithinThreeStandardErrors) {
  for (const Classical lattice : kAllClassical) {
    const SecondMoment found =
        measure_second_moment(lattice, lattice == Classical::kLeech ? 300'000 : 4'000'000, 7);
    // The table's values are rounded to six digits after the point: 5e-7.
    EXPECT_TRUE(std::abs(found.value - facts(lattice).second_moment) <=
                3 * found.standard_error + 5e-7)
        << facts(lattice).name << " " << found.value << " +- " << found.standard_error;
  }
}

}  // namespace
}  // namespace cllm::lattice
