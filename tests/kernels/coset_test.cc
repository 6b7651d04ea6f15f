#include "kernels/coset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/philox.h"
#include "testing_tables.h"

namespace cllm::kernels {
namespace {

struct Problem {
  int64_t count, dimension;
  double modulus;
  bool has_parity;
  std::vector<double> residues, weights;
  std::vector<int64_t> parities;
  Cosets cosets() const {
    return {.count = count,
            .dimension = dimension,
            .modulus = modulus,
            .has_parity = has_parity,
            .residues = residues.data(),
            .parities = parities.data(),
            .weights = weights.data()};
  }
};

Problem random_problem(int64_t count, int64_t dimension, bool has_parity, uint64_t seed) {
  const Philox random(seed, RandomStream::kTest);
  Problem problem{count, dimension, has_parity ? 2.0 : 4.0, has_parity, {}, {}, {}};
  for (int64_t k = 0; k < count; ++k) {
    problem.parities.push_back(static_cast<int64_t>(random.below(2, 1, static_cast<uint64_t>(k))));
    for (int64_t i = 0; i < dimension; ++i)
      problem.residues.push_back(static_cast<double>(random.below(
          static_cast<uint64_t>(problem.modulus), 2, static_cast<uint64_t>(k * dimension + i))));
  }
  for (int64_t i = 0; i < dimension; ++i)
    problem.weights.push_back(has_parity ? 1 : 1 + static_cast<double>(i % 3));
  return problem;
}

// Squared distance of x to coset k, over every choice of the two neighbours of each coordinate.
double brute_force(const Problem& problem, int64_t k, const double* x) {
  double best = HUGE_VAL;
  const auto n = static_cast<size_t>(problem.dimension);
  for (unsigned choice = 0; choice < 1u << n; ++choice) {
    double distance = 0, sum = 0;
    for (size_t i = 0; i < n; ++i) {
      const double residue = problem.residues[static_cast<size_t>(k) * n + i];
      const double quotient = std::floor((x[i] - residue) / problem.modulus) + (choice >> i & 1);
      const double error = x[i] - residue - problem.modulus * quotient;
      distance += problem.weights[i] * error * error;
      sum += quotient;
    }
    const bool odd = std::fmod(std::abs(sum), 2) == 1;
    if (problem.has_parity && odd != (problem.parities[static_cast<size_t>(k)] == 1)) continue;
    best = std::min(best, distance);
  }
  return best;
}

TEST(NearestInCosets, EqualsBruteForceInEveryTable) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Problem problem = random_problem(1 + static_cast<int64_t>(seed % 4),
                                           1 + static_cast<int64_t>(seed % 8), seed % 3 != 0, seed);
    const auto n = static_cast<size_t>(problem.dimension);
    const Philox random(seed, RandomStream::kTest);
    std::vector<double> targets(n * kCosetBlock), points(targets.size()), first;
    for (size_t i = 0; i < targets.size(); ++i) {
      targets[i] = 12 * (2 * random.uniform(3, i) - 1);
      if (seed % 2 == 1) targets[i] = std::round(2 * targets[i]) / 2;  // ties
    }
    testing::for_each_table([&](const Table& table) {
      double distances[kCosetBlock];
      table.coset.nearest(problem.cosets(), targets.data(), points.data(), distances);
      for (size_t lane = 0; lane < kCosetBlock; ++lane) {
        double x[8], own = 0, best = HUGE_VAL;
        for (size_t i = 0; i < n; ++i) {
          x[i] = targets[i * kCosetBlock + lane];
          const double offset = x[i] - points[i * kCosetBlock + lane];
          own += problem.weights[i] * offset * offset;
        }
        for (int64_t k = 0; k < problem.count; ++k)
          best = std::min(best, brute_force(problem, k, x));
        // Sums of at most 8 squares below 200, rounded some 30 times at 2^-52.
        EXPECT_TRUE(std::abs(distances[lane] - best) <= 1e-11) << seed << " " << lane;
        EXPECT_TRUE(std::abs(own - best) <= 1e-11) << seed << " " << lane;
      }
      if (first.empty()) first = points;
      EXPECT_EQ(std::memcmp(points.data(), first.data(), sizeof(double) * points.size()), 0);
    });
  }
}

TEST(NearestInCosets, HugeTargetsKeepTheirParity) {
  const Problem problem = random_problem(2, 8, true, 5);
  std::vector<double> targets(8 * kCosetBlock), points(targets.size());
  for (size_t i = 0; i < targets.size(); ++i)
    targets[i] = (i % 2 == 0 ? 0x1p50 : -0x1p50) + static_cast<double>(i % 5);
  testing::for_each_table([&](const Table& table) {
    double distances[kCosetBlock];
    table.coset.nearest(problem.cosets(), targets.data(), points.data(), distances);
    for (size_t lane = 0; lane < kCosetBlock; ++lane) {
      double x[8], best = HUGE_VAL;
      for (size_t i = 0; i < 8; ++i)
        x[i] = targets[i * kCosetBlock + lane];
      for (int64_t k = 0; k < 2; ++k)
        best = std::min(best, brute_force(problem, k, x));
      EXPECT_EQ(distances[lane], best) << lane;  // small integers: exact
    }
  });
}

}  // namespace
}  // namespace cllm::kernels
