#include "lattice/exact_linear.h"

#include "lattice/gram_schmidt.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

// Laplace's expansion: the definition, for up to 6 rows.
mpz_class expanded_determinant(const IntegerMatrix& matrix) {
  const size_t size = matrix.rows();
  if (size == 1) return matrix(0, 0);
  mpz_class sum;
  for (size_t skip = 0; skip < size; ++skip) {
    IntegerMatrix minor(size - 1, size - 1);
    for (size_t i = 1; i < size; ++i)
      for (size_t j = 0; j < size; ++j)
        if (j != skip) minor(i - 1, j - (j > skip)) = matrix(i, j);
    sum += (skip % 2 == 0 ? 1 : -1) * matrix(0, skip) * expanded_determinant(minor);
  }
  return sum;
}

TEST(ExactLinear, DeterminantIsLaplacesExpansion) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const IntegerMatrix matrix = random_matrix(1 + seed % 6, 1 + seed % 6, 1'000'000'000'000, seed);
    EXPECT_EQ(determinant(matrix), expanded_determinant(matrix));
  }
  IntegerMatrix huge(2, 2);
  mpz_ui_pow_ui(huge(0, 0).get_mpz_t(), 10, 1000);
  huge(1, 1) = -7;
  EXPECT_EQ(determinant(huge), -7 * huge(0, 0));
  EXPECT_EQ(determinant(matrix_of("[[1 2][2 4]]")), 0);
}

TEST(ExactLinear, RankIsThatOfTheFactors) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const size_t inner = 1 + seed % 4;
    const IntegerMatrix matrix = product(random_matrix(5, inner, 1'000'000, seed),
                                         random_matrix(inner, 6, 1'000'000, seed + 100));
    EXPECT_EQ(rank(matrix), inner);
  }
  EXPECT_EQ(rank(IntegerMatrix(3, 3)), 0u);
  // Singular modulo the first prime tried, 2^31 - 1, and regular all the same.
  EXPECT_EQ(rank(matrix_of("[[2147483647 0][0 1]]")), 2u);
  EXPECT_EQ(determinant(matrix_of("[[2147483647 0][0 1]]")), 2147483647);
}

TEST(ExactLinear, DependentRowsAreNamed) {
  EXPECT_TRUE(throws_error([] { require_independent_rows(matrix_of("[[1 2][2 4]]"), "b"); },
                           ErrorKind::kData, "their rank is 1"));
  EXPECT_TRUE(throws_error([] { require_independent_rows(matrix_of("[[1][2]]"), "b"); },
                           ErrorKind::kData, "linearly dependent"));
  EXPECT_TRUE(throws_error([] { require_independent_rows({}, "b"); }, ErrorKind::kData, "empty"));
  EXPECT_TRUE(throws_error([] { require_independent_rows(matrix_of("[[0 0]]"), "b"); },
                           ErrorKind::kData, "linearly dependent"));
}

TEST(ExactLinear, TransformIsFoundOrDenied) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const size_t rows = 2 + seed % 5, columns = rows + seed % 3;
    const IntegerMatrix from = random_matrix(rows, columns, 1000, seed);
    if (rank(from) < rows) continue;
    const IntegerMatrix transform = random_matrix(4, rows, 1'000'000'000, seed + 50);
    EXPECT_EQ(find_transform(from, product(transform, from)), transform);
    IntegerMatrix off = product(transform, from);
    off(3, 0) += 1;
    EXPECT_FALSE(abs(gram_determinant(from)) != 1 && find_transform(from, off).has_value() &&
                 product(*find_transform(from, off), from) != off);
  }
  EXPECT_FALSE(find_transform(matrix_of("[[2 0][0 2]]"), matrix_of("[[2 1]]")).has_value());
  EXPECT_FALSE(find_transform(matrix_of("[[1 0 0][0 1 0]]"), matrix_of("[[1 1 1]]")).has_value());
}

// The definition, checked entry by entry.
void expect_hermite(const IntegerMatrix& form) {
  size_t last = 0;
  for (size_t i = 0; i < form.rows(); ++i) {
    size_t pivot = 0;
    while (pivot < form.columns() && form(i, pivot) == 0)
      ++pivot;
    ASSERT_LT(pivot, form.columns());
    EXPECT_TRUE(i == 0 || pivot > last);
    EXPECT_GT(form(i, pivot), 0);
    for (size_t above = 0; above < i; ++above) {
      EXPECT_GE(form(above, pivot), 0);
      EXPECT_LT(form(above, pivot), form(i, pivot));
    }
    last = pivot;
  }
}

TEST(ExactLinear, HermiteFormIsOneForAllBasesOfALattice) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const size_t rows = 1 + seed % 8, columns = rows + seed % 3;
    IntegerMatrix basis = random_matrix(rows, columns, seed % 2 == 0 ? 5 : 100'000, seed);
    if (seed % 5 == 0)  // pivots that are not the first columns
      for (size_t i = 0; i < rows && columns > rows; ++i)
        basis(i, 0) = 0;
    if (rank(basis) < rows) continue;
    const IntegerMatrix form = hermite_normal_form(basis);
    expect_hermite(form);
    EXPECT_EQ(gram_determinant(form), gram_determinant(basis));
    EXPECT_TRUE(find_transform(form, basis).has_value());
    EXPECT_EQ(hermite_normal_form(product(random_unimodular(rows, 40, seed), basis)), form);
  }
  EXPECT_EQ(hermite_normal_form(matrix_of("[[4 6][2 8]]")), matrix_of("[[2 8][0 10]]"));
}

TEST(ExactLinear, DualPairsWithTheBasisAsTheIdentity) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const size_t rows = 1 + seed % 5, columns = rows + seed % 2;
    const IntegerMatrix basis = random_matrix(rows, columns, 50, seed);
    if (rank(basis) < rows) continue;
    const DualBasis dual = dual_basis(basis);
    IntegerMatrix expected = identity(rows);
    for (size_t i = 0; i < rows; ++i)
      expected(i, i) = dual.denominator;
    EXPECT_EQ(product(basis, transposed(dual.rows)), expected);
    // In the span: adding the dual's rows to the basis does not raise the rank.
    IntegerMatrix both = basis;
    for (size_t i = 0; i < rows; ++i)
      both.append_row(dual.rows.row(i));
    EXPECT_EQ(rank(both), rows);
  }
}

TEST(GramSchmidt, ExactFormReproducesTheGramMatrix) {
  const IntegerMatrix basis = random_matrix(6, 7, 1'000'000, 3);
  const ExactGramSchmidt form(basis);
  const auto mu = [&](size_t i, size_t j) {
    return i == j ? mpq_class(1) : j > i ? mpq_class(0) : form.mu(i, j);
  };
  for (size_t i = 0; i < 6; ++i)
    for (size_t k = 0; k < 6; ++k) {
      mpq_class sum;
      for (size_t j = 0; j < 6; ++j)
        sum += mu(i, j) * mu(k, j) * form.norm2(j);
      EXPECT_EQ(sum, mpq_class(inner_product(basis.row(i), basis.row(k))));
    }
  EXPECT_EQ(form.determinant(5), gram_determinant(basis));
  EXPECT_TRUE(throws_error([] { ExactGramSchmidt(matrix_of("[[1 2 3][2 4 6]]")); },
                           ErrorKind::kData, "row 2 depends"));
}

TEST(GramSchmidt, DoublesAgreeWithTheExactForm) {
  const IntegerMatrix basis = random_matrix(8, 8, 1000, 4);
  RealMatrix real(8, 8);
  for (size_t i = 0; i < 8; ++i)
    for (size_t j = 0; j < 8; ++j)
      real(i, j) = basis(i, j).get_d();
  const RealGramSchmidt direct = real_gram_schmidt(real);
  const RealGramSchmidt exact = rounded(ExactGramSchmidt(basis), 0);
  for (size_t i = 0; i < 8; ++i) {
    // A random 8 x 8 matrix has a condition of some 10^2: 10^2 * 8 * 2^-53 < 1e-12.
    EXPECT_TRUE(std::abs(direct.norm2[i] / exact.norm2[i] - 1) <= 1e-12);
    for (size_t j = 0; j < i; ++j)
      EXPECT_TRUE(std::abs(direct.mu(i, j) - exact.mu(i, j)) <= 1e-11);
  }
  real(3, 0) = std::nan("");
  EXPECT_THROW(real_gram_schmidt(real), Error);
}

}  // namespace
}  // namespace cllm::lattice
