#include "crystal/column_lattice.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "lattice/reduce.h"

namespace cllm {
namespace {

lattice::RealMatrix block_of(std::span<const double> factor, size_t n, size_t first, size_t size) {
  lattice::RealMatrix block(size, size);
  for (size_t i = 0; i < size; ++i)
    std::copy_n(factor.begin() + static_cast<ptrdiff_t>((first + i) * n + first), size,
                block.row(i).begin());
  return block;
}

lattice::RealMatrix as_doubles(const lattice::IntegerMatrix& matrix) {
  lattice::RealMatrix result(matrix.rows(), matrix.columns());
  for (size_t i = 0; i < matrix.rows(); ++i)
    for (size_t j = 0; j < matrix.columns(); ++j)
      result(i, j) = matrix(i, j).get_d();
  return result;
}

lattice::RealMatrix dual_of(lattice::RealMatrix basis, const lattice::RealGramSchmidt& form) {
  const size_t size = basis.rows();
  for (size_t i = 0; i < size; ++i)
    for (size_t j = 0; j < i; ++j)
      for (size_t c = 0; c < size; ++c)
        basis(i, c) -= form.mu(i, j) * basis(j, c);
  for (size_t i = 0; i < size; ++i)
    for (double& x : basis.row(i))
      x /= form.norm2[i];
  return basis;
}

}  // namespace

ColumnLattice::ColumnLattice(std::span<const double> factor, size_t n, size_t first, size_t size,
                             bool reduced)
    : factor_(factor), n_(n), first_(first), size_(size) {
  CHECK(factor.size() == n * n && size >= 1 && first + size <= n);
  lattice::RealMatrix basis = block_of(factor, n, first, size);
  if (reduced) {
    lattice::RealReduced result = lattice::reduce_real(basis);
    basis = std::move(result.basis);
    transform_ = as_doubles(result.transform);
  }
  gram_schmidt_ = lattice::real_gram_schmidt(basis);
  dual_ = dual_of(std::move(basis), gram_schmidt_);
}

ColumnLattice::Search::Search(const ColumnLattice& lattice, size_t width)
    : lattice_(lattice),
      plane_(lattice.gram_schmidt_, 1),
      point_(lattice.size_),
      target_(lattice.size_),
      coefficients_(lattice.size_) {
  if (width > 1) wide_.emplace(lattice.gram_schmidt_, width);
}

void ColumnLattice::Search::run(std::span<double> rest, std::span<double> integers) {
  const size_t n = lattice_.n_, first = lattice_.first_, size = lattice_.size_;
  std::ranges::fill(point_, 0);
  for (size_t i = first; i < n; ++i) {
    const double* const row = lattice_.factor_.data() + i * n + first;
    for (size_t j = 0; j < size; ++j)
      point_[j] += rest[i] * row[j];
  }
  for (size_t k = 0; k < size; ++k) {
    const std::span<const double> dual = lattice_.dual_.row(k);
    target_[k] = 0;
    for (size_t j = 0; j < size; ++j)
      target_[k] += dual[j] * point_[j];
  }
  const double distance =
      plane_.search(target_, std::numeric_limits<double>::infinity(), coefficients_);
  if (wide_) wide_->search(target_, distance, coefficients_);
  if (lattice_.transform_.empty()) {
    std::ranges::copy(coefficients_, integers.begin());
  } else {
    std::ranges::fill(integers, 0);
    for (size_t k = 0; k < size; ++k)
      for (size_t j = 0; j < size; ++j)
        integers[j] += coefficients_[k] * lattice_.transform_(k, j);
  }
  for (size_t j = 0; j < size; ++j)
    rest[first + j] -= integers[j];
}

}  // namespace cllm
