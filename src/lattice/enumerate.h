// Enumeration of all lattice points in a ball (Schnorr and Euchner 1994, with the partial sums of
// Gama, Nguyen and Regev 2010): a walk over the tree of coefficient vectors, last coordinate first,
// the nearest sibling first. Exponential in the dimension: 2^(n log n) nodes.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "lattice/gram_schmidt.h"
#include "lattice/search_watch.h"

namespace cllm::lattice {

// A leaf: coefficients of a lattice point and its squared distance, rounded, in the scale of the
// Gram-Schmidt norms. Returns the bound from here on (the old one or a smaller one).
using LeafVisitor = std::function<double(std::span<const double> coefficients, double distance2)>;

struct EnumerationTask {
  const RealGramSchmidt& gram_schmidt;
  // <t, b*_k> / |b*_k|^2 of the target; empty: the origin, of which the zero vector and one of each
  // pair +-v are left out.
  std::vector<double> target;
  // Points of squared distance <= bound * (1 + kEnumerationSlack) are visited.
  double bound = 0;
};

// Covers the rounding of the partial distances. The sums have n terms, each with a relative error
// of some n 2^-52 as long as coefficients stay below 2^10 (the basis is reduced and the target near
// the origin): below 2^-36 for n <= 200.
inline constexpr double kEnumerationSlack = 0x1p-36;

// Returns the number of nodes.
uint64_t enumerate(const EnumerationTask& task, const LeafVisitor& visit,
                   const SearchWatch& watch = {});

}  // namespace cllm::lattice
