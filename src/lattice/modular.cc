#include "lattice/modular.h"

#include <algorithm>

namespace cllm::lattice {
namespace {

uint32_t multiply(uint32_t a, uint32_t b, uint32_t prime) {
  return static_cast<uint32_t>(uint64_t{a} * b % prime);
}

uint32_t inverse(uint32_t value, uint32_t prime) {
  uint32_t result = 1;
  for (uint32_t exponent = prime - 2, square = value; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = multiply(result, square, prime);
    square = multiply(square, square, prime);
  }
  return result;
}

// row -= factor * pivot from column `first` on.
void subtract(std::span<uint32_t> row, std::span<const uint32_t> pivot, uint32_t factor,
              size_t first, uint32_t prime) {
  const uint64_t negated = prime - factor;
  for (size_t j = first; j < row.size(); ++j)
    row[j] = static_cast<uint32_t>((row[j] + negated * pivot[j]) % prime);
}

// The first row from `begin` on that has something in `column`; rows() if there is none.
size_t find_pivot(const ModularMatrix& matrix, size_t begin, size_t column) {
  size_t row = begin;
  while (row < matrix.rows() && matrix(row, column) == 0)
    ++row;
  return row;
}

}  // namespace

uint32_t PrimeSequence::next() {
  mpz_class candidate = last_ - 1;
  // Below 2^64 GMP's test is a proof.
  while (mpz_probab_prime_p(candidate.get_mpz_t(), 25) == 0)
    candidate -= 1;
  last_ = static_cast<uint32_t>(candidate.get_ui());
  return last_;
}

ModularMatrix reduced(const IntegerMatrix& matrix, uint32_t prime) {
  ModularMatrix result(matrix.rows(), matrix.columns());
  for (size_t i = 0; i < matrix.rows(); ++i)
    for (size_t j = 0; j < matrix.columns(); ++j)
      result(i, j) = static_cast<uint32_t>(mpz_fdiv_ui(matrix(i, j).get_mpz_t(), prime));
  return result;
}

Echelon eliminate(ModularMatrix& matrix, uint32_t prime) {
  Echelon result;
  uint32_t determinant = 1;
  size_t rank = 0;
  for (size_t column = 0; column < matrix.columns() && rank < matrix.rows(); ++column) {
    const size_t pivot = find_pivot(matrix, rank, column);
    if (pivot == matrix.rows()) continue;
    if (pivot != rank) {
      std::ranges::swap_ranges(matrix.row(pivot), matrix.row(rank));
      determinant = prime - determinant;
    }
    determinant = multiply(determinant, matrix(rank, column), prime);
    const uint32_t scale = inverse(matrix(rank, column), prime);
    for (size_t i = rank + 1; i < matrix.rows(); ++i)
      if (matrix(i, column) != 0)
        subtract(matrix.row(i), matrix.row(rank), multiply(matrix(i, column), scale, prime), column,
                 prime);
    result.pivot_columns.push_back(column);
    ++rank;
  }
  if (matrix.rows() == matrix.columns() && rank == matrix.rows()) result.determinant = determinant;
  return result;
}

std::optional<ModularMatrix> solve_left(const ModularMatrix& matrix, const ModularMatrix& right,
                                        uint32_t prime) {
  // The transposed system, matrix^T x^T = right^T, by Gauss-Jordan on the augmented matrix.
  const size_t size = matrix.rows(), count = right.rows();
  CHECK(matrix.columns() == size && right.columns() == size);
  ModularMatrix work(size, size + count);
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < size; ++j)
      work(i, j) = matrix(j, i);
    for (size_t j = 0; j < count; ++j)
      work(i, size + j) = right(j, i);
  }
  for (size_t column = 0; column < size; ++column) {
    const size_t pivot = find_pivot(work, column, column);
    if (pivot == size) return std::nullopt;
    if (pivot != column) std::ranges::swap_ranges(work.row(pivot), work.row(column));
    const uint32_t scale = inverse(work(column, column), prime);
    for (size_t j = column; j < work.columns(); ++j)
      work(column, j) = multiply(work(column, j), scale, prime);
    for (size_t i = 0; i < size; ++i)
      if (i != column && work(i, column) != 0)
        subtract(work.row(i), work.row(column), work(i, column), column, prime);
  }
  ModularMatrix solution(count, size);
  for (size_t i = 0; i < count; ++i)
    for (size_t j = 0; j < size; ++j)
      solution(i, j) = work(j, size + i);
  return solution;
}

void ChineseRemainders::add(std::span<const uint32_t> remainders, uint32_t prime) {
  CHECK_EQ(remainders.size(), values_.size());
  const uint32_t scale =
      inverse(static_cast<uint32_t>(mpz_fdiv_ui(modulus_.get_mpz_t(), prime)), prime);
  for (size_t i = 0; i < values_.size(); ++i) {
    const auto known = static_cast<uint32_t>(mpz_fdiv_ui(values_[i].get_mpz_t(), prime));
    const uint32_t missing =
        remainders[i] >= known ? remainders[i] - known : remainders[i] + (prime - known);
    mpz_addmul_ui(values_[i].get_mpz_t(), modulus_.get_mpz_t(), multiply(missing, scale, prime));
  }
  modulus_ *= prime;
}

mpz_class ChineseRemainders::value(size_t index) const {
  mpz_class value = values_[index];
  if (2 * value > modulus_) value -= modulus_;
  return value;
}

double hadamard_bits(const IntegerMatrix& matrix) {
  double bits = 0;
  for (size_t i = 0; i < matrix.rows(); ++i) {
    const mpz_class norm = norm2(matrix.row(i));
    // A norm of 1 or less only lowers the minors; the added bit covers the rounding of log2.
    if (norm > 1) bits += log2_of(norm) / 2 + 0x1p-20;
  }
  return bits + 1;
}

}  // namespace cllm::lattice
