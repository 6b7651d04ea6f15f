#include "lattice/closest.h"

#include "lattice/exact_linear.h"
#include "lattice/verify.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

mpq_class distance2(std::span<const mpz_class> vector, std::span<const mpq_class> target) {
  mpq_class sum;
  for (size_t j = 0; j < vector.size(); ++j) {
    const mpq_class offset = target[j] - vector[j];
    sum += offset * offset;
  }
  return sum;
}

// Over all coefficient vectors in a box.
mpq_class brute_force(const IntegerMatrix& basis, std::span<const mpq_class> target, long box) {
  IntegerVector coefficients(basis.rows(), -box);
  mpq_class best = -1;
  for (;;) {
    const mpq_class distance = distance2(combination(coefficients, basis), target);
    if (best < 0 || distance < best) best = distance;
    size_t k = 0;
    while (k < coefficients.size() && coefficients[k] == box)
      coefficients[k++] = -box;
    if (k == coefficients.size()) return best;
    coefficients[k] += 1;
  }
}

TEST(Closest, ExactEqualsBruteForce) {
  for (uint64_t seed = 0; seed < 24; ++seed) {
    const size_t rows = 1 + seed % 4;
    IntegerMatrix small = random_matrix(rows, rows + seed % 2, 3, seed);
    for (size_t i = 0; i < rows; ++i)
      small(i, i) += 12;  // so near to orthogonal that a small box holds the answer
    const RationalVector target = random_target(small.columns(), 60, seed, 3);
    const ClosestSolver solver(product(random_unimodular(rows, 30, seed), small));
    const ClosestVector found = solver.exact(target);
    EXPECT_EQ(found.distance2, brute_force(small, target, 5)) << seed;
    EXPECT_EQ(found.distance2, distance2(found.vector, target));
    EXPECT_EQ(object_to_closest(found.vector, small, target), std::nullopt);
  }
}

TEST(Closest, WiderSearchesAreNeverWorseAndEndAtTheExactOne) {
  const IntegerMatrix basis = random_matrix(24, 24, 1000, 2);
  const ClosestSolver solver(basis);
  int better = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const RationalVector target = random_target(24, 100'000, seed, 7);
    const mpq_class exact = solver.exact(target).distance2;
    mpq_class last = solver.nearest_plane(target).distance2;
    EXPECT_EQ(solver.k_best(target, 1).distance2, last);
    for (int64_t width = 2; width <= 1024; width *= 2) {
      const ClosestVector found = solver.k_best(target, width);
      EXPECT_EQ(object_to_member(found.vector, basis), std::nullopt);
      EXPECT_LE(found.distance2, last);
      better += found.distance2 < last;
      last = found.distance2;
    }
    EXPECT_EQ(last, exact);
  }
  EXPECT_GT(better, 0);
}

TEST(Closest, RoundingRoundsTheCoordinates) {
  const IntegerMatrix basis = matrix_of("[[2 1][0 3]]");
  const ClosestSolver solver(basis, /*keep_basis=*/true);
  // (5, 4) = 2.5 (2, 1) + 0.5 (0, 3): halves go up.
  EXPECT_EQ(solver.rounding(RationalVector{5, 4}).vector, (IntegerVector{6, 6}));
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const IntegerMatrix random = random_matrix(4, 4, 20, seed);
    if (rank(random) < 4) continue;
    const ClosestSolver kept(random, true);
    // A lattice point plus less than half of each basis vector rounds back to it.
    const IntegerVector coefficients = {3, -2, 7, 1};
    const IntegerVector point = combination(coefficients, random);
    RationalVector target(4);
    for (size_t j = 0; j < 4; ++j) {
      target[j] = point[j];
      for (size_t i = 0; i < 4; ++i)
        target[j] += mpq_class(static_cast<long>(i) * 2 - 3, 10) * random(i, j);
    }
    EXPECT_EQ(kept.rounding(target).vector, point);
  }
}

TEST(Closest, PlaneOnAnOrthogonalBasisIsExact) {
  const ClosestSolver solver(matrix_of("[[3 0][0 10]]"), true);
  EXPECT_EQ(solver.nearest_plane(RationalVector{4, 14}).vector, (IntegerVector{3, 10}));
  EXPECT_EQ(solver.exact(RationalVector{4, 14}).distance2, 17);
}

TEST(Closest, TargetsOffTheSpanAndFarAway) {
  const ClosestSolver solver(matrix_of("[[1 0 0][0 1 0]]"));
  EXPECT_EQ(solver.exact(RationalVector{1, 2, 3}).distance2, 9);
  mpq_class far(mpz_class("1" + std::string(500, '0')));
  const ClosestVector found = solver.exact(RationalVector{far + mpq_class(1, 3), -far, 0});
  EXPECT_EQ(found.distance2, mpq_class(1, 9));
}

TEST(Closest, RefusesWhatItCannotDo) {
  const ClosestSolver solver(matrix_of("[[1 0][0 1]]"));
  EXPECT_TRUE(throws_error([&] { solver.exact(RationalVector(3)); }, ErrorKind::kData, "target"));
  EXPECT_TRUE(
      throws_error([&] { solver.k_best(RationalVector(2), 0); }, ErrorKind::kUsage, "width"));
  IntegerMatrix skew = identity(2);
  mpz_ui_pow_ui(skew(0, 0).get_mpz_t(), 10, 300);
  const ClosestSolver steep(skew);
  EXPECT_TRUE(throws_error(
      [&] {
        steep.exact(RationalVector{5, mpq_class(1, 2)});
      },
      ErrorKind::kData, "span"));
  EXPECT_EQ(steep.nearest_plane(RationalVector{5, mpq_class(2, 3)}).distance2,
            25 + mpq_class(1, 9));
  EXPECT_TRUE(throws_error([] { ClosestSolver(matrix_of("[[1 1][2 2]]")); }, ErrorKind::kData,
                           "dependent"));
}

}  // namespace
}  // namespace cllm::lattice
