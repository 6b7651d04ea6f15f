#include "lattice/gram_schmidt.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/memory.h"

namespace cllm::lattice {
namespace {

// (first * u - a * b) / divisor, exact.
void eliminate(mpz_class& u, const mpz_class& first, const mpz_class& a, const mpz_class& b,
               const mpz_class& divisor) {
  u *= first;
  mpz_submul(u.get_mpz_t(), a.get_mpz_t(), b.get_mpz_t());
  mpz_divexact(u.get_mpz_t(), u.get_mpz_t(), divisor.get_mpz_t());
}

Error dependent(size_t row) {
  return Error(ErrorKind::kData, "basis",
               fmt::format("row {} depends on the rows before it", row + 1),
               "give linearly independent rows");
}

void require_memory(const IntegerMatrix& basis) {
  double bits = 0, bytes = 0;
  for (size_t i = 0; i < basis.rows(); ++i) {
    const mpz_class norm = norm2(basis.row(i));
    if (norm > 0) bits += log2_of(norm);
    bytes += static_cast<double>(i + 1) * (bits / 8 + 32);
  }
  if (bytes > static_cast<double>(available_memory()))
    throw Error(
        ErrorKind::kMemory, "basis",
        fmt::format("exact Gram-Schmidt of {} rows needs {:.0f} GiB", basis.rows(), bytes / 0x1p30),
        "reduce it first, or take fewer or shorter rows");
}

}  // namespace

ExactGramSchmidt::ExactGramSchmidt(const IntegerMatrix& basis)
    : lambda_(basis.rows(), basis.rows()) {
  require_memory(basis);
  for (size_t i = 0; i < basis.rows(); ++i) {
    for (size_t j = 0; j <= i; ++j) {
      mpz_class u = inner_product(basis.row(i), basis.row(j));
      for (size_t k = 0; k < j; ++k)
        eliminate(u, determinants_[k], lambda_(i, k), lambda_(j, k), determinant_before(k));
      lambda_(i, j) = std::move(u);
      if (j == i) {
        determinants_.push_back(lambda_(i, i));
        lambda_(i, i) = 0;
      }
    }
    if (determinants_[i] == 0) throw dependent(i);
  }
}

mpq_class ExactGramSchmidt::mu(size_t i, size_t j) const {
  mpq_class value(lambda_(i, j), determinants_[j]);
  value.canonicalize();
  return value;
}

mpq_class ExactGramSchmidt::norm2(size_t i) const {
  mpq_class value(determinants_[i], determinant_before(i));
  value.canonicalize();
  return value;
}

IntegerVector ExactGramSchmidt::project(const IntegerMatrix& basis,
                                        std::span<const mpz_class> vector) const {
  CHECK_EQ(basis.rows(), size());
  IntegerVector projected(size());
  for (size_t j = 0; j < size(); ++j) {
    mpz_class u = inner_product(vector, basis.row(j));
    for (size_t k = 0; k < j; ++k)
      eliminate(u, determinants_[k], projected[k], lambda_(j, k), determinant_before(k));
    projected[j] = std::move(u);
  }
  return projected;
}

RealGramSchmidt real_gram_schmidt(const RealMatrix& basis) {
  const size_t rows = basis.rows(), columns = basis.columns();
  RealGramSchmidt result{RealMatrix(rows, rows), std::vector<double>(rows)};
  RealMatrix star = basis;
  for (size_t i = 0; i < rows; ++i) {
    double before = 0;
    for (const double x : basis.row(i))
      before += x * x;
    for (int pass = 0; pass < 2; ++pass) {
      for (size_t j = 0; j < i; ++j) {
        double dot = 0;
        for (size_t c = 0; c < columns; ++c)
          dot += star(i, c) * star(j, c);
        const double factor = dot / result.norm2[j];
        result.mu(i, j) += factor;
        for (size_t c = 0; c < columns; ++c)
          star(i, c) -= factor * star(j, c);
      }
    }
    for (const double x : star.row(i))
      result.norm2[i] += x * x;
    // What is left of a dependent row is rounding: columns * 2^-53 of its length.
    const double rounding = static_cast<double>(columns) * 0x1p-52;
    if (!(result.norm2[i] > rounding * rounding * before) || !std::isfinite(before))
      throw dependent(i);
  }
  return result;
}

RealGramSchmidt rounded(const ExactGramSchmidt& exact, long shift) {
  const size_t size = exact.size();
  RealGramSchmidt result{RealMatrix(size, size), std::vector<double>(size)};
  const auto ratio = [](const mpz_class& numerator, const mpz_class& denominator, long scale) {
    long a = 0, b = 0;
    const double top = mpz_get_d_2exp(&a, numerator.get_mpz_t());
    const double bottom = mpz_get_d_2exp(&b, denominator.get_mpz_t());
    const long exponent = std::clamp(a - b - scale, -1000L, 1000L);
    return std::ldexp(top / bottom, static_cast<int>(exponent));
  };
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < i; ++j)
      result.mu(i, j) = ratio(exact.lambda(i, j), exact.determinant(j), 0);
    result.norm2[i] = ratio(exact.determinant(i), exact.determinant_before(i), shift);
  }
  return result;
}

}  // namespace cllm::lattice
