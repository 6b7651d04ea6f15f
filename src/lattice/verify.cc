#include "lattice/verify.h"

#include <fmt/format.h>

#include "base/error.h"
#include "lattice/closest.h"
#include "lattice/exact_linear.h"
#include "lattice/gram_schmidt.h"

namespace cllm::lattice {
namespace {

Objection object_to_rows(const IntegerMatrix& basis) {
  if (basis.empty()) return "the basis is empty";
  if (rank(basis) < basis.rows()) return "the rows are linearly dependent";
  return std::nullopt;
}

}  // namespace

Objection object_to_reduced(const IntegerMatrix& basis, double delta, double eta) {
  if (auto objection = object_to_rows(basis)) return objection;
  const ExactGramSchmidt gram_schmidt(basis);
  const mpq_class exact_delta(delta), exact_eta(eta);
  for (size_t i = 1; i < basis.rows(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const mpq_class mu = gram_schmidt.mu(i, j);
      if (abs(mu) > exact_eta)
        return fmt::format("not size-reduced: |mu({}, {})| = {:.6g} exceeds eta = {}", i + 1, j + 1,
                           mpq_class(abs(mu)).get_d(), eta);
    }
    const mpq_class mu = gram_schmidt.mu(i, i - 1);
    const mpq_class least = (exact_delta - mu * mu) * gram_schmidt.norm2(i - 1);
    if (gram_schmidt.norm2(i) < least)
      return fmt::format("Lovasz's condition with delta = {} fails between rows {} and {}", delta,
                         i, i + 1);
  }
  return std::nullopt;
}

Objection object_to_same_lattice(const IntegerMatrix& left, const IntegerMatrix& right) {
  if (auto objection = object_to_rows(left)) return "left: " + *objection;
  if (auto objection = object_to_rows(right)) return "right: " + *objection;
  if (left.rows() != right.rows() || left.columns() != right.columns())
    return fmt::format("{} x {} and {} x {} numbers", left.rows(), left.columns(), right.rows(),
                       right.columns());
  const auto transform = find_transform(left, right);
  if (!transform) return "a row of the right basis does not lie in the left lattice";
  const mpz_class index = abs(determinant(*transform));
  if (index != 1)
    return fmt::format("the right lattice is a part of the left one, of index {}",
                       log2_of(index) < 64 ? index.get_str() : "above 2^64");
  return std::nullopt;
}

Objection object_to_transform(const IntegerMatrix& transform, const IntegerMatrix& from,
                              const IntegerMatrix& to) {
  if (transform.columns() != from.rows() || transform.rows() != to.rows() ||
      from.columns() != to.columns() || transform.rows() != transform.columns())
    return "the sizes do not fit";
  if (abs(determinant(transform)) != 1) return "the transform is not unimodular";
  if (product(transform, from) != to) return "transform times basis is not the result";
  return std::nullopt;
}

Objection object_to_member(std::span<const mpz_class> vector, const IntegerMatrix& basis) {
  if (auto objection = object_to_rows(basis)) return objection;
  if (vector.size() != basis.columns())
    return fmt::format("{} numbers for a basis of {} columns", vector.size(), basis.columns());
  IntegerMatrix row;
  row.append_row(vector);
  if (!find_transform(basis, row)) return "the vector does not lie in the lattice";
  return std::nullopt;
}

Objection object_to_closest(std::span<const mpz_class> vector, const IntegerMatrix& basis,
                            std::span<const mpq_class> target) {
  if (auto objection = object_to_member(vector, basis)) return objection;
  if (target.size() != basis.columns())
    return fmt::format("a target of {} numbers for a basis of {} columns", target.size(),
                       basis.columns());
  mpq_class distance2;
  for (size_t j = 0; j < vector.size(); ++j) {
    const mpq_class offset = target[j] - vector[j];
    distance2 += offset * offset;
  }
  const mpq_class babai = ClosestSolver(basis, /*keep_basis=*/true).nearest_plane(target).distance2;
  if (distance2 > babai)
    return fmt::format(
        "the vector is farther from the target than Babai's nearest plane: squared "
        "{:.6g} against {:.6g}",
        distance2.get_d(), babai.get_d());
  return std::nullopt;
}

}  // namespace cllm::lattice
