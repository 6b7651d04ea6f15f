#include "lattice/matrix.h"

#include <algorithm>
#include <cmath>

namespace cllm::lattice {

IntegerMatrix identity(size_t size) {
  IntegerMatrix matrix(size, size);
  for (size_t i = 0; i < size; ++i)
    matrix(i, i) = 1;
  return matrix;
}

IntegerMatrix transposed(const IntegerMatrix& matrix) {
  IntegerMatrix result(matrix.columns(), matrix.rows());
  for (size_t i = 0; i < matrix.rows(); ++i)
    for (size_t j = 0; j < matrix.columns(); ++j)
      result(j, i) = matrix(i, j);
  return result;
}

IntegerVector combination(std::span<const mpz_class> coefficients, const IntegerMatrix& matrix) {
  CHECK_EQ(coefficients.size(), matrix.rows());
  IntegerVector sum(matrix.columns());
  for (size_t k = 0; k < coefficients.size(); ++k) {
    if (coefficients[k] == 0) continue;
    for (size_t j = 0; j < sum.size(); ++j)
      mpz_addmul(sum[j].get_mpz_t(), coefficients[k].get_mpz_t(), matrix(k, j).get_mpz_t());
  }
  return sum;
}

IntegerMatrix product(const IntegerMatrix& left, const IntegerMatrix& right) {
  IntegerMatrix result(left.rows(), right.columns());
  for (size_t i = 0; i < left.rows(); ++i) {
    IntegerVector row = combination(left.row(i), right);
    std::ranges::move(row, result.row(i).begin());
  }
  return result;
}

mpz_class inner_product(std::span<const mpz_class> left, std::span<const mpz_class> right) {
  CHECK_EQ(left.size(), right.size());
  mpz_class sum;
  for (size_t j = 0; j < left.size(); ++j)
    mpz_addmul(sum.get_mpz_t(), left[j].get_mpz_t(), right[j].get_mpz_t());
  return sum;
}

mpz_class norm2(std::span<const mpz_class> vector) {
  return inner_product(vector, vector);
}

size_t longest_entry_bits(const IntegerMatrix& matrix) {
  size_t bits = 0;
  for (size_t i = 0; i < matrix.rows(); ++i)
    for (const mpz_class& entry : matrix.row(i))
      if (entry != 0) bits = std::max(bits, mpz_sizeinbase(entry.get_mpz_t(), 2));
  return bits;
}

double log2_of(const mpz_class& value) {
  CHECK(value > 0);
  long exponent = 0;
  const double mantissa = mpz_get_d_2exp(&exponent, value.get_mpz_t());
  return std::log2(mantissa) + static_cast<double>(exponent);
}

double log2_of(const mpq_class& value) {
  return log2_of(value.get_num()) - log2_of(value.get_den());
}

mpz_class nearest_integer(const mpq_class& value) {
  // floor((2 num + den) / (2 den))
  mpz_class result;
  const mpz_class numerator = 2 * value.get_num() + value.get_den();
  const mpz_class denominator = 2 * value.get_den();
  mpz_fdiv_q(result.get_mpz_t(), numerator.get_mpz_t(), denominator.get_mpz_t());
  return result;
}

double scaled_double(const mpz_class& value, long shift) {
  long exponent = 0;
  const double mantissa = mpz_get_d_2exp(&exponent, value.get_mpz_t());
  const long power = std::clamp(exponent - shift, -5000L, 5000L);
  return std::ldexp(mantissa, static_cast<int>(power));
}

}  // namespace cllm::lattice
