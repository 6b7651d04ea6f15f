#include "lattice/closest.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "lattice/beam.h"
#include "lattice/enumerate.h"
#include "lattice/reduce.h"

namespace cllm::lattice {
namespace {

// Beyond this ratio of squared Gram-Schmidt norms the rounding of the long directions would hide
// the short ones (kEnumerationSlack).
constexpr double kLargestSpread = 0x1p30;

IntegerMatrix prepared_basis(const IntegerMatrix& basis, bool keep, const SearchWatch& watch) {
  if (keep) return basis;
  const int64_t block = basis.rows() < 30 ? 0 : 20;
  return reduce(basis, {.block_size = block}, watch).basis;
}

// round(numerator / denominator), halves upwards; denominator > 0.
mpz_class rounded_quotient(const mpz_class& numerator, const mpz_class& denominator) {
  const mpz_class top = 2 * numerator + denominator, bottom = 2 * denominator;
  mpz_class quotient;
  mpz_fdiv_q(quotient.get_mpz_t(), top.get_mpz_t(), bottom.get_mpz_t());
  return quotient;
}

long log2_of_last_norm(const ExactGramSchmidt& gram_schmidt) {
  double longest = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < gram_schmidt.size(); ++i)
    longest = std::max(longest, log2_of(gram_schmidt.norm2(i)));
  return std::lround(longest);
}

}  // namespace

// The target times its common denominator, and the integers that stand for its Gram-Schmidt
// coordinates: <t, b*_k> / |b*_k|^2 = projected_k / (d_k denominator).
struct ClosestSolver::Target {
  IntegerVector numerators;
  mpz_class denominator;
  IntegerVector projected;
};

ClosestSolver::ClosestSolver(const IntegerMatrix& basis, bool keep_basis, const SearchWatch& watch)
    : basis_(prepared_basis(basis, keep_basis, watch)),
      exact_(basis_),
      shift_(log2_of_last_norm(exact_)),
      real_(rounded(exact_, shift_)) {}

ClosestSolver::Target ClosestSolver::prepare(std::span<const mpq_class> target) const {
  if (target.size() != basis_.columns())
    throw Error(
        ErrorKind::kData, "target",
        fmt::format("{} numbers for a basis of {} columns", target.size(), basis_.columns()),
        "give one number per column");
  Target result{.numerators = IntegerVector(target.size()), .denominator = 1, .projected = {}};
  for (const mpq_class& x : target)
    result.denominator = lcm(result.denominator, x.get_den());
  for (size_t j = 0; j < target.size(); ++j)
    result.numerators[j] = target[j].get_num() * (result.denominator / target[j].get_den());
  result.projected = exact_.project(basis_, result.numerators);
  return result;
}

ClosestVector ClosestSolver::finish(const Target& target,
                                    std::span<const mpz_class> coefficients) const {
  ClosestVector result{combination(coefficients, basis_), {}};
  mpz_class distance;
  for (size_t j = 0; j < result.vector.size(); ++j) {
    const mpz_class offset = target.denominator * result.vector[j] - target.numerators[j];
    distance += offset * offset;
  }
  result.distance2 = mpq_class(distance, target.denominator * target.denominator);
  result.distance2.canonicalize();
  return result;
}

ClosestVector ClosestSolver::rounding(std::span<const mpq_class> target) const {
  const Target t = prepare(target);
  const size_t size = exact_.size();
  // Coordinates in the basis times d_last * denominator are integers y (Cramer); solved backwards.
  const mpz_class& last = exact_.determinant(size - 1);
  IntegerVector scaled(size), coefficients(size);
  for (size_t k = size; k-- > 0;) {
    mpz_class y = last * t.projected[k];
    for (size_t i = k + 1; i < size; ++i)
      y -= scaled[i] * exact_.lambda(i, k);
    mpz_divexact(scaled[k].get_mpz_t(), y.get_mpz_t(), exact_.determinant(k).get_mpz_t());
    coefficients[k] = rounded_quotient(scaled[k], last * t.denominator);
  }
  return finish(t, coefficients);
}

IntegerVector ClosestSolver::plane_coefficients(const Target& target) const {
  IntegerVector rest = target.projected, coefficients(exact_.size());
  for (size_t k = exact_.size(); k-- > 0;) {
    coefficients[k] = rounded_quotient(rest[k], exact_.determinant(k) * target.denominator);
    const mpz_class factor = coefficients[k] * target.denominator;
    for (size_t j = 0; j < k; ++j)
      mpz_submul(rest[j].get_mpz_t(), factor.get_mpz_t(), exact_.lambda(k, j).get_mpz_t());
  }
  return coefficients;
}

ClosestVector ClosestSolver::nearest_plane(std::span<const mpq_class> target) const {
  const Target t = prepare(target);
  return finish(t, plane_coefficients(t));
}

ClosestSolver::Near ClosestSolver::near_plane(const Target& target) const {
  Near near{.origin = plane_coefficients(target), .target = std::vector<double>(exact_.size())};
  Target rest{.numerators = target.numerators, .denominator = target.denominator, .projected = {}};
  const IntegerVector vector = combination(near.origin, basis_);
  for (size_t j = 0; j < vector.size(); ++j)
    rest.numerators[j] -= target.denominator * vector[j];
  rest.projected = exact_.project(basis_, rest.numerators);
  for (size_t k = 0; k < exact_.size(); ++k) {
    mpq_class coordinate(rest.projected[k], exact_.determinant(k) * target.denominator);
    coordinate.canonicalize();
    near.target[k] = coordinate.get_d();
    near.distance2 += near.target[k] * near.target[k] * real_.norm2[k];
  }
  return near;
}

ClosestVector ClosestSolver::moved(const Target& target, const Near& near,
                                   std::span<const double> coefficients) const {
  IntegerVector sum = near.origin;
  for (size_t k = 0; k < sum.size(); ++k)
    sum[k] += mpz_class(coefficients[k]);
  return finish(target, sum);
}

ClosestVector ClosestSolver::k_best(std::span<const mpq_class> target, int64_t width) const {
  if (width < 1)
    throw Error(ErrorKind::kUsage, "width", fmt::format("{} is below 1", width), "16 is usual");
  const Target t = prepare(target);
  const Near near = near_plane(t);
  ClosestVector best = finish(t, near.origin);
  double bound = near.distance2;
  std::vector<double> coefficients(exact_.size());
  for (int64_t wide = 2;; wide *= 2) {
    wide = std::min(wide, width);
    BeamSearch beam(real_, static_cast<size_t>(wide));
    const double distance = beam.search(near.target, bound, coefficients);
    if (distance < bound) {
      bound = distance;
      ClosestVector found = moved(t, near, coefficients);
      if (found.distance2 < best.distance2) best = std::move(found);
    }
    if (wide == width) return best;
  }
}

ClosestVector ClosestSolver::exact(std::span<const mpq_class> target,
                                   const SearchWatch& watch) const {
  const auto [least, most] = std::ranges::minmax(real_.norm2);
  if (!(most <= kLargestSpread * least))
    throw Error(ErrorKind::kData, "basis",
                fmt::format("its Gram-Schmidt lengths span a factor of {:.1e}; the exact search "
                            "covers {:.1e}",
                            std::sqrt(most / least), std::sqrt(kLargestSpread)),
                "use the nearest plane, which is all but exact on such a lattice");
  const Target t = prepare(target);
  const Near near = near_plane(t);
  ClosestVector best = finish(t, near.origin);
  double bound = near.distance2;
  const auto visit = [&](std::span<const double> coefficients, double distance) {
    ClosestVector found = moved(t, near, coefficients);
    if (found.distance2 < best.distance2) best = std::move(found);
    bound = std::min(bound, distance);
    return bound;
  };
  const uint64_t nodes =
      enumerate({.gram_schmidt = real_, .target = near.target, .bound = bound}, visit, watch);
  best.nodes = nodes;
  return best;
}

}  // namespace cllm::lattice
