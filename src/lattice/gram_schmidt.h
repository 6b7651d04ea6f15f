// Gram-Schmidt orthogonalisation b*_i = b_i - sum_{j<i} mu_ij b*_j: exactly, in integers (Cohen, "A
// Course in Computational Algebraic Number Theory", 2.6.3), and in doubles.
#pragma once

#include <vector>

#include "lattice/matrix.h"

namespace cllm::lattice {

// The integral form: d_i = det of the Gram matrix of rows 0..i, lambda_ij = d_j mu_ij; all are
// integers. O(rows^3) operations on integers of up to 2 sum log2|b_i| bits.
class ExactGramSchmidt {
 public:
  // Error (kData), naming the row, if the rows are dependent; (kMemory) if it would not fit.
  explicit ExactGramSchmidt(const IntegerMatrix& basis);

  size_t size() const { return determinants_.size(); }
  // d_i; d(size() - 1) is the squared volume of the lattice.
  const mpz_class& determinant(size_t i) const { return determinants_[i]; }
  // d_{i-1}, where d_{-1} = 1.
  const mpz_class& determinant_before(size_t i) const {
    return i == 0 ? one_ : determinants_[i - 1];
  }
  // j < i.
  const mpz_class& lambda(size_t i, size_t j) const { return lambda_(i, j); }
  mpq_class mu(size_t i, size_t j) const;
  // |b*_i|^2.
  mpq_class norm2(size_t i) const;

  // For any integer vector t of basis.columns() elements, the integers l with
  // <t, b*_k> / |b*_k|^2 = l_k / d_k. The basis must be the constructor's.
  IntegerVector project(const IntegerMatrix& basis, std::span<const mpz_class> vector) const;

 private:
  mpz_class one_ = 1;
  std::vector<mpz_class> determinants_;
  IntegerMatrix lambda_;
};

// mu (lower triangle, unit diagonal left at 0) and |b*_i|^2 in doubles.
struct RealGramSchmidt {
  RealMatrix mu;
  std::vector<double> norm2;
};

// Modified Gram-Schmidt with one reorthogonalisation. Error (kData) if a row depends on those
// before it to working precision, or is not finite.
RealGramSchmidt real_gram_schmidt(const RealMatrix& basis);

// The exact form rounded, norms times 2^-shift.
RealGramSchmidt rounded(const ExactGramSchmidt& exact, long shift);

}  // namespace cllm::lattice
