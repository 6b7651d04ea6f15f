#include "lattice/shortest.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "lattice/enumerate.h"
#include "lattice/exact_linear.h"
#include "lattice/reduce.h"

namespace cllm::lattice {
namespace {

// Rows from which a stronger reduction saves more nodes than it costs.
constexpr size_t kRowsForBkz = 30;

int64_t block_size(size_t rows) {
  if (rows < kRowsForBkz) return 0;
  return std::clamp<int64_t>(static_cast<int64_t>(rows) - 20, 16, 30);
}

size_t shortest_row(const IntegerMatrix& basis) {
  size_t best = 0;
  for (size_t i = 1; i < basis.rows(); ++i)
    if (norm2(basis.row(i)) < norm2(basis.row(best))) best = i;
  return best;
}

IntegerVector lattice_point(std::span<const double> coefficients, const IntegerMatrix& basis) {
  IntegerVector integers(coefficients.size());
  for (size_t i = 0; i < integers.size(); ++i)
    integers[i] = coefficients[i];
  return combination(integers, basis);
}

double log2_volume(const IntegerMatrix& basis) {
  const mpz_class squared = gram_determinant(basis);
  if (squared == 0)
    throw Error(ErrorKind::kData, "basis", "the rows are linearly dependent",
                "give linearly independent rows");
  return log2_of(squared) / 2;
}

}  // namespace

ShortestVector shortest_vector(const IntegerMatrix& basis, const SearchWatch& watch) {
  const IntegerMatrix reduced_basis =
      reduce(basis, {.block_size = block_size(basis.rows())}, watch).basis;
  const auto first = reduced_basis.row(shortest_row(reduced_basis));
  ShortestVector best{IntegerVector(first.begin(), first.end()), norm2(first)};
  // Norms in units of 4^shift, near 1.
  const long shift = static_cast<long>(log2_of(best.norm2));
  const RealGramSchmidt gram_schmidt = rounded(ExactGramSchmidt(reduced_basis), shift);
  const auto visit = [&](std::span<const double> coefficients, double) {
    IntegerVector vector = lattice_point(coefficients, reduced_basis);
    mpz_class norm = norm2(vector);
    if (norm < best.norm2) {
      best.norm2 = std::move(norm);
      best.vector = std::move(vector);
    }
    return scaled_double(best.norm2, shift);
  };
  best.nodes = enumerate(
      {.gram_schmidt = gram_schmidt, .target = {}, .bound = scaled_double(best.norm2, shift)},
      visit, watch);
  return best;
}

double gaussian_heuristic(const IntegerMatrix& basis) {
  const auto n = static_cast<double>(basis.rows());
  const double log2_ball =
      (n / 2 * std::log(std::numbers::pi) - std::lgamma(n / 2 + 1)) / std::numbers::ln2;
  return std::exp2((log2_volume(basis) - log2_ball) / n);
}

double root_hermite_factor(const IntegerMatrix& basis) {
  const auto n = static_cast<double>(basis.rows());
  const double length = log2_of(norm2(basis.row(0))) / 2;
  return std::exp2((length - log2_volume(basis) / n) / n);
}

}  // namespace cllm::lattice
