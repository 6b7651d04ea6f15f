// Judges of results, independent of the code that made them: exact rationals, none of fplll, no
// floating point. Each says in words what is wrong; an empty optional means that the claim holds.
#pragma once

#include <optional>
#include <string>

#include "lattice/matrix.h"

namespace cllm::lattice {

using Objection = std::optional<std::string>;

// |mu_ij| <= eta for all j < i, and Lovasz's (delta - mu^2) |b*_{i-1}|^2 <= |b*_i|^2 for all i;
// both numbers are taken as the exact values of the doubles. Dependent rows are an objection too.
Objection object_to_reduced(const IntegerMatrix& basis, double delta, double eta);

// Both bases span the same lattice: each row of one is an integer combination of the other's, and
// the determinants agree.
Objection object_to_same_lattice(const IntegerMatrix& left, const IntegerMatrix& right);

// transform * from == to, and det(transform) = +-1.
Objection object_to_transform(const IntegerMatrix& transform, const IntegerMatrix& from,
                              const IntegerMatrix& to);

// The vector is an integer combination of the rows.
Objection object_to_member(std::span<const mpz_class> vector, const IntegerMatrix& basis);

// The vector lies in the lattice and is no farther from the target than Babai's nearest plane on
// this basis. A necessary condition only: the closest vector passes, and so may others.
Objection object_to_closest(std::span<const mpz_class> vector, const IntegerMatrix& basis,
                            std::span<const mpq_class> target);

}  // namespace cllm::lattice
