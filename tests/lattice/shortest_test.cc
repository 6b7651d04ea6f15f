#include "lattice/shortest.h"

#include <cmath>

#include "lattice/exact_linear.h"
#include "lattice/verify.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

// The least norm over all coefficient vectors in a box that is large enough for these bases.
mpz_class brute_force_norm(const IntegerMatrix& basis, long box) {
  mpz_class best = 0;
  IntegerVector coefficients(basis.rows(), -box);
  for (;;) {
    const mpz_class norm = norm2(combination(coefficients, basis));
    if (norm > 0 && (best == 0 || norm < best)) best = norm;
    size_t k = 0;
    while (k < coefficients.size() && coefficients[k] == box)
      coefficients[k++] = -box;
    if (k == coefficients.size()) return best;
    coefficients[k] += 1;
  }
}

TEST(Shortest, EqualsBruteForce) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const size_t rows = 1 + seed % 4;
    const IntegerMatrix small = random_matrix(rows, rows + seed % 2, 9, seed);
    if (rank(small) < rows) continue;
    // The hidden basis has short rows, so that small coefficients suffice in it.
    const ShortestVector found = shortest_vector(product(random_unimodular(rows, 30, seed), small));
    EXPECT_EQ(found.norm2, brute_force_norm(small, 8)) << seed;
    EXPECT_EQ(norm2(found.vector), found.norm2);
    EXPECT_EQ(object_to_member(found.vector, small), std::nullopt);
  }
}

TEST(Shortest, OfVerySkewLattices) {
  IntegerMatrix basis = identity(3);
  mpz_ui_pow_ui(basis(0, 0).get_mpz_t(), 10, 400);
  mpz_ui_pow_ui(basis(1, 1).get_mpz_t(), 10, 200);
  EXPECT_EQ(shortest_vector(basis).norm2, 1);
  basis(2, 2) = basis(0, 0);
  basis(1, 1) = 5;
  EXPECT_EQ(shortest_vector(basis).norm2, 25);
}

// Knuth, The Art of Computer Programming 3.3.4: x -> 65539 x modulo 2^31 has period 2^29 and is
// judged with that modulus.
TEST(Shortest, SpectralTestOfRandu) {
  const mpz_class modulus = mpz_class(1) << 29, multiplier = 65539;
  const char* const expected[] = {"536936458", "118", "116"};
  for (size_t dimension = 2; dimension <= 4; ++dimension) {
    // The vectors of consecutive outputs, times the modulus.
    IntegerMatrix basis = identity(dimension);
    mpz_class power = 1;
    for (size_t j = 0; j < dimension; ++j) {
      basis(0, j) = power % modulus;
      if (j > 0) basis(j, j) = modulus;
      power *= multiplier;
    }
    const DualBasis dual = dual_basis(basis);
    ASSERT_EQ(dual.denominator, modulus);
    EXPECT_EQ(shortest_vector(dual.rows).norm2.get_str(), expected[dimension - 2]);
  }
}

TEST(Shortest, CanBeStopped) {
  const IntegerMatrix basis = random_knapsack(45, 90, 5);
  EXPECT_THROW(shortest_vector(basis, [](const SearchProgress&) { throw 3; }), int);
}

TEST(Shortest, MeasuresOfABasis) {
  // Volume 1: the ball of volume 1 in two dimensions has radius 1 / sqrt(pi).
  EXPECT_TRUE(std::abs(gaussian_heuristic(identity(2)) - 1 / std::sqrt(M_PI)) <= 1e-14);
  EXPECT_TRUE(std::abs(root_hermite_factor(matrix_of("[[4 0][0 1]]")) - std::sqrt(2.0)) <= 1e-14);
  EXPECT_THROW(gaussian_heuristic(matrix_of("[[1 1][1 1]]")), Error);
}

}  // namespace
}  // namespace cllm::lattice
