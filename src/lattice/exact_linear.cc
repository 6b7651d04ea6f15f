#include "lattice/exact_linear.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "lattice/modular.h"

namespace cllm::lattice {
namespace {

size_t bits(const mpz_class& value) {
  return mpz_sizeinbase(value.get_mpz_t(), 2);
}

// The pivot columns of the echelon form, modulo primes; over the integers the rank is at least as
// large. The largest rank, and of those the leftmost columns, are kept.
class PivotSearch {
 public:
  explicit PivotSearch(const IntegerMatrix& matrix) : matrix_(matrix) {}

  void try_prime() {
    const uint32_t prime = primes_.next();
    ModularMatrix work = reduced(matrix_, prime);
    std::vector<size_t> columns = eliminate(work, prime).pivot_columns;
    tried_bits_ += 30;
    if (columns.size() > columns_.size() ||
        (columns.size() == columns_.size() && columns < columns_))
      columns_ = std::move(columns);
  }
  const std::vector<size_t>& columns() const { return columns_; }
  // The product of the primes tried is at least 2^this.
  double tried_bits() const { return tried_bits_; }

 private:
  const IntegerMatrix& matrix_;
  PrimeSequence primes_;
  std::vector<size_t> columns_;
  double tried_bits_ = 0;
};

IntegerMatrix columns_of(const IntegerMatrix& matrix, const std::vector<size_t>& columns) {
  IntegerMatrix part(matrix.rows(), columns.size());
  for (size_t i = 0; i < matrix.rows(); ++i)
    for (size_t j = 0; j < columns.size(); ++j)
      part(i, j) = matrix(i, columns[j]);
  return part;
}

// Columns on which the rows, known to be independent, are independent too.
std::vector<size_t> independent_columns(const IntegerMatrix& basis) {
  PivotSearch search(basis);
  const double enough = hadamard_bits(basis);
  while (search.columns().size() < basis.rows()) {
    CHECK_MSG(search.tried_bits() <= enough, "dependent rows");
    search.try_prime();
  }
  return search.columns();
}

// Whether the remainders so far are U itself.
std::optional<IntegerMatrix> candidate(const ChineseRemainders& remainders,
                                       const IntegerMatrix& from, const IntegerMatrix& to) {
  IntegerMatrix transform(to.rows(), from.rows());
  for (size_t i = 0; i < to.rows(); ++i)
    for (size_t j = 0; j < from.rows(); ++j)
      transform(i, j) = remainders.value(i * from.rows() + j);
  if (product(transform, from) != to) return std::nullopt;
  return transform;
}

// Rows of a square nonsingular matrix with |determinant| `volume`, reduced to Hermite normal form:
// all arithmetic modulo what is left of the determinant.
class ModularHermite {
 public:
  ModularHermite(IntegerMatrix matrix, mpz_class volume)
      : matrix_(std::move(matrix)), modulus_(std::move(volume)) {}

  IntegerMatrix run() {
    const size_t size = matrix_.rows();
    for (size_t column = 0; column < size; ++column) {
      for (size_t i = column; i < size; ++i)
        reduce_row(i, column);
      for (size_t i = column + 1; i < size; ++i)
        clear(column, i);
      finish(column);
    }
    return std::move(matrix_);
  }

 private:
  void reduce_row(size_t row, size_t first) {
    for (size_t j = first; j < matrix_.columns(); ++j)
      mpz_fdiv_r(matrix_(row, j).get_mpz_t(), matrix_(row, j).get_mpz_t(), modulus_.get_mpz_t());
  }

  // Makes matrix(row, pivot) zero by a unimodular combination with the pivot's row.
  void clear(size_t pivot, size_t row) {
    if (matrix_(row, pivot) == 0) return;
    mpz_class gcd, a, b;
    mpz_gcdext(gcd.get_mpz_t(), a.get_mpz_t(), b.get_mpz_t(), matrix_(pivot, pivot).get_mpz_t(),
               matrix_(row, pivot).get_mpz_t());
    const mpz_class p = matrix_(pivot, pivot) / gcd, r = matrix_(row, pivot) / gcd;
    for (size_t j = pivot; j < matrix_.columns(); ++j) {
      mpz_class& x = matrix_(pivot, j);
      mpz_class& y = matrix_(row, j);
      mpz_class combined = a * x + b * y;
      y = p * y - r * x;
      mpz_fdiv_r(x.get_mpz_t(), combined.get_mpz_t(), modulus_.get_mpz_t());
      mpz_fdiv_r(y.get_mpz_t(), y.get_mpz_t(), modulus_.get_mpz_t());
    }
  }

  // The pivot as a divisor of the modulus, the entries above it below it, the modulus divided.
  void finish(size_t column) {
    mpz_class gcd, a, b;
    mpz_gcdext(gcd.get_mpz_t(), a.get_mpz_t(), b.get_mpz_t(), matrix_(column, column).get_mpz_t(),
               modulus_.get_mpz_t());
    for (size_t j = column; j < matrix_.columns(); ++j)
      matrix_(column, j) *= a;
    reduce_row(column, column);
    matrix_(column, column) = gcd;
    for (size_t i = 0; i < column; ++i) {
      mpz_class quotient;
      mpz_fdiv_q(quotient.get_mpz_t(), matrix_(i, column).get_mpz_t(), gcd.get_mpz_t());
      if (quotient == 0) continue;
      for (size_t j = column; j < matrix_.columns(); ++j)
        mpz_submul(matrix_(i, j).get_mpz_t(), quotient.get_mpz_t(), matrix_(column, j).get_mpz_t());
    }
    modulus_ /= gcd;
    // Multiples of what is left of the modulus lie in the lattice of the columns to come.
    for (size_t i = 0; i <= column; ++i)
      reduce_row(i, column + 1);
  }

  IntegerMatrix matrix_;
  mpz_class modulus_;
};

// Whether row i starts at columns[i], exactly.
bool is_echelon(const IntegerMatrix& matrix, const std::vector<size_t>& columns) {
  for (size_t i = 0; i < matrix.rows(); ++i)
    for (size_t j = 0; j < columns[i]; ++j)
      if (matrix(i, j) != 0) return false;
  return true;
}

}  // namespace

size_t rank(const IntegerMatrix& matrix) {
  // A minor that is not zero cannot be divisible by more primes than its bits allow.
  PivotSearch search(matrix);
  const double enough = hadamard_bits(matrix);
  const size_t most = std::min(matrix.rows(), matrix.columns());
  do {
    search.try_prime();
  } while (search.columns().size() < most && search.tried_bits() <= enough);
  return search.columns().size();
}

void require_independent_rows(const IntegerMatrix& basis, const std::string& where) {
  if (basis.empty())
    throw Error(ErrorKind::kData, where, "the basis is empty", "give at least one row");
  const size_t found = rank(basis);
  if (found < basis.rows())
    throw Error(
        ErrorKind::kData, where,
        fmt::format("the {} rows are linearly dependent: their rank is {}", basis.rows(), found),
        "give linearly independent rows");
}

mpz_class determinant(const IntegerMatrix& matrix) {
  CHECK_EQ(matrix.rows(), matrix.columns());
  // One bit for the sign.
  const double enough = hadamard_bits(matrix) + 1;
  ChineseRemainders remainders(1);
  PrimeSequence primes;
  while (static_cast<double>(bits(remainders.modulus()) - 1) <= enough) {
    const uint32_t prime = primes.next();
    ModularMatrix work = reduced(matrix, prime);
    const uint32_t remainder = eliminate(work, prime).determinant;
    remainders.add({&remainder, 1}, prime);
  }
  return remainders.value(0);
}

mpz_class gram_determinant(const IntegerMatrix& basis) {
  if (basis.rows() == basis.columns()) {
    const mpz_class value = determinant(basis);
    return value * value;
  }
  return determinant(product(basis, transposed(basis)));
}

std::optional<IntegerMatrix> find_transform(const IntegerMatrix& from, const IntegerMatrix& to) {
  if (from.columns() != to.columns()) return std::nullopt;
  const std::vector<size_t> columns = independent_columns(from);
  const IntegerMatrix square = columns_of(from, columns), right = columns_of(to, columns);
  // Cramer: an entry of U is a minor of `square` with one row replaced, over a determinant >= 1.
  double longest = 0;
  for (size_t i = 0; i < right.rows(); ++i) {
    const mpz_class norm = norm2(right.row(i));
    if (norm > 1) longest = std::max(longest, log2_of(norm) / 2);
  }
  const double enough = hadamard_bits(square) + longest + 2;
  ChineseRemainders remainders(to.rows() * from.rows());
  PrimeSequence primes;
  size_t next_try = 1;
  for (size_t used = 0;;) {
    const uint32_t prime = primes.next();
    const auto solution = solve_left(reduced(square, prime), reduced(right, prime), prime);
    if (!solution) continue;
    remainders.add(solution->elements(), prime);
    const bool last = static_cast<double>(bits(remainders.modulus()) - 1) > enough;
    if (++used < next_try && !last) continue;
    next_try = 2 * used;
    if (auto transform = candidate(remainders, from, to)) return transform;
    if (last) return std::nullopt;
  }
}

IntegerMatrix hermite_normal_form(const IntegerMatrix& basis) {
  for (PivotSearch search(basis);;) {
    search.try_prime();
    const std::vector<size_t>& columns = search.columns();
    if (columns.size() < basis.rows()) {
      CHECK_MSG(search.tried_bits() <= hadamard_bits(basis), "dependent rows");
      continue;
    }
    const IntegerMatrix square = columns_of(basis, columns);
    const IntegerMatrix form = ModularHermite(square, abs(determinant(square))).run();
    if (basis.rows() == basis.columns()) return form;
    const auto transform = find_transform(square, form);
    CHECK(transform.has_value());
    IntegerMatrix whole = product(*transform, basis);
    // An unlucky prime picks columns too far to the right.
    if (is_echelon(whole, columns)) return whole;
  }
}

DualBasis dual_basis(const IntegerMatrix& basis) {
  const bool square = basis.rows() == basis.columns();
  // Square: D = det * (B^T)^-1. Else D = det(G) * G^-1 B with the Gram matrix G.
  const IntegerMatrix gram = square ? transposed(basis) : product(basis, transposed(basis));
  mpz_class denominator = abs(determinant(gram));
  IntegerMatrix scaled = identity(basis.rows());
  for (size_t i = 0; i < basis.rows(); ++i)
    scaled(i, i) = denominator;
  auto inverse = find_transform(gram, scaled);
  CHECK(inverse.has_value());
  IntegerMatrix rows = square ? std::move(*inverse) : product(*inverse, basis);
  mpz_class divisor = denominator;
  for (size_t i = 0; i < rows.rows(); ++i)
    for (const mpz_class& entry : rows.row(i))
      divisor = gcd(divisor, entry);
  for (size_t i = 0; i < rows.rows(); ++i)
    for (mpz_class& entry : rows.row(i))
      entry /= divisor;
  return {std::move(rows), denominator / divisor};
}

}  // namespace cllm::lattice
