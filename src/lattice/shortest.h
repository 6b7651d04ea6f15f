// The shortest vector problem, exactly: reduction (reduce.h) and then enumeration of everything
// that could be shorter (enumerate.h). The answer's length is compared in integers.
#pragma once

#include "lattice/matrix.h"
#include "lattice/search_watch.h"

namespace cllm::lattice {

struct ShortestVector {
  IntegerVector vector;
  mpz_class norm2;
  uint64_t nodes = 0;  // of the search tree
};

// A shortest nonzero vector of the lattice spanned by independent rows. Seconds up to 50 rows,
// minutes at 60. Error (kData) as reduce does.
ShortestVector shortest_vector(const IntegerMatrix& basis, const SearchWatch& watch = {});

// The length that a shortest vector has on average over lattices of this volume (Gaussian
// heuristic): (volume / volume of the unit ball)^(1/n).
double gaussian_heuristic(const IntegerMatrix& basis);

// (|b_1| / volume^(1/n))^(1/n), the measure of how well a basis is reduced.
double root_hermite_factor(const IntegerMatrix& basis);

}  // namespace cllm::lattice
