// The closest vector problem for targets in exact rationals: Babai's rounding and nearest plane
// (1986), K-best (a breadth-first search that keeps the K nearest partial points of each level),
// and the exact search. Distances are compared exactly.
#pragma once

#include "lattice/gram_schmidt.h"
#include "lattice/matrix.h"
#include "lattice/search_watch.h"

namespace cllm::lattice {

struct ClosestVector {
  IntegerVector vector;
  mpq_class distance2;  // squared distance to the target, exact
  uint64_t nodes = 0;   // of the search tree; 0 without a search
};

class ClosestSolver {
 public:
  // Reduces the basis first (LLL, and BKZ where that pays) unless `keep_basis`: Babai's answers and
  // the speed of all methods depend on the basis, the exact answer does not. Error as reduce, or as
  // ExactGramSchmidt.
  explicit ClosestSolver(const IntegerMatrix& basis, bool keep_basis = false,
                         const SearchWatch& watch = {});

  // Each takes a target of basis().columns() numbers; one off the span is projected onto it, the
  // distance counts from the target itself. Error (kData) for another size.
  ClosestVector rounding(std::span<const mpq_class> target) const;
  ClosestVector nearest_plane(std::span<const mpq_class> target) const;
  // The best of the searches of width 1, 2, 4, ... up to `width`, so that twice the width is never
  // worse, and 1 is the nearest plane. O(width * n^2). Error (kUsage) for width < 1.
  ClosestVector k_best(std::span<const mpq_class> target, int64_t width) const;
  // Exponential in the rows, as SVP. Error (kData) if the Gram-Schmidt norms span more than doubles
  // can search through, which happens where the lattice splits into parts of very different scale.
  ClosestVector exact(std::span<const mpq_class> target, const SearchWatch& watch = {}) const;

  const IntegerMatrix& basis() const { return basis_; }

 private:
  struct Target;
  // The search starts at the nearest plane's point: `target` and `distance2` are relative to it, in
  // the scale of real_, and small, so that doubles do.
  struct Near {
    IntegerVector origin;
    std::vector<double> target;
    double distance2 = 0;
  };
  Target prepare(std::span<const mpq_class> target) const;
  IntegerVector plane_coefficients(const Target& target) const;
  Near near_plane(const Target& target) const;
  ClosestVector moved(const Target& target, const Near& near,
                      std::span<const double> coefficients) const;
  ClosestVector finish(const Target& target, std::span<const mpz_class> coefficients) const;

  IntegerMatrix basis_;
  ExactGramSchmidt exact_;
  long shift_;
  RealGramSchmidt real_;
};

}  // namespace cllm::lattice
