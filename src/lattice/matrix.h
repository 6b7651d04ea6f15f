// Dense matrices of exact integers, exact rationals or doubles: the form in which bases, transforms
// and targets travel. Row-major; rows are the vectors.
#pragma once

#include <gmpxx.h>

#include <cstddef>
#include <span>
#include <vector>

#include "base/check.h"

namespace cllm::lattice {

using IntegerVector = std::vector<mpz_class>;
using RationalVector = std::vector<mpq_class>;

// rows x columns elements, value-initialised (zero). Owns them; copies are deep. Not thread-safe
// for writers.
template <class T>
class Matrix {
 public:
  Matrix() = default;
  Matrix(size_t rows, size_t columns) : rows_(rows), columns_(columns), elements_(rows * columns) {}

  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  bool empty() const { return elements_.empty(); }

  T& operator()(size_t row, size_t column) {
    DCHECK(row < rows_ && column < columns_);
    return elements_[row * columns_ + column];
  }
  const T& operator()(size_t row, size_t column) const {
    DCHECK(row < rows_ && column < columns_);
    return elements_[row * columns_ + column];
  }
  std::span<T> row(size_t index) { return {elements_.data() + index * columns_, columns_}; }
  std::span<const T> row(size_t index) const {
    return {elements_.data() + index * columns_, columns_};
  }
  // All elements, row after row.
  std::span<const T> elements() const { return elements_; }
  // Appends a vector of columns() elements; the first one of an empty matrix sets columns().
  void append_row(std::span<const T> values) {
    if (rows_ == 0) columns_ = values.size();
    CHECK_EQ(values.size(), columns_);
    elements_.insert(elements_.end(), values.begin(), values.end());
    ++rows_;
  }

  bool operator==(const Matrix&) const = default;

 private:
  size_t rows_ = 0, columns_ = 0;
  std::vector<T> elements_;
};

using IntegerMatrix = Matrix<mpz_class>;
using RationalMatrix = Matrix<mpq_class>;
using RealMatrix = Matrix<double>;

IntegerMatrix identity(size_t size);
IntegerMatrix transposed(const IntegerMatrix& matrix);
// left * right. O(rows * inner * columns) multiplications.
IntegerMatrix product(const IntegerMatrix& left, const IntegerMatrix& right);
// coefficients * matrix: the combination of its rows.
IntegerVector combination(std::span<const mpz_class> coefficients, const IntegerMatrix& matrix);

mpz_class inner_product(std::span<const mpz_class> left, std::span<const mpz_class> right);
// Squared Euclidean norm.
mpz_class norm2(std::span<const mpz_class> vector);

// Bits of the longest entry, 0 for a zero matrix.
size_t longest_entry_bits(const IntegerMatrix& matrix);

// log2 of a positive integer or rational of any size.
double log2_of(const mpz_class& value);
double log2_of(const mpq_class& value);
// The nearest integer, halves upwards.
mpz_class nearest_integer(const mpq_class& value);
// value * 2^-shift as a double; 0 and infinity where it does not fit.
double scaled_double(const mpz_class& value, long shift);

}  // namespace cllm::lattice
