// Breadth-first nearest-point search in doubles on one Gram-Schmidt form: of each level only the
// `width` nearest partial points live on (K-best sphere decoder). Width 1 is Babai's nearest plane.
#pragma once

#include <span>
#include <vector>

#include "lattice/gram_schmidt.h"

namespace cllm::lattice {

// Owns its work space: one per thread. gram_schmidt must outlive it.
class BeamSearch {
 public:
  BeamSearch(const RealGramSchmidt& gram_schmidt, size_t width);

  // target[k] = <t, b*_k> / |b*_k|^2. Writes the coefficients of the point found and returns its
  // squared distance within the span. Partial points farther than `bound` are dropped; if none is
  // left, coefficients are untouched and infinity is returned. O(width * n^2), no allocation.
  double search(std::span<const double> target, double bound, std::span<double> coefficients);

 private:
  struct Child {
    double distance2;
    double value;
    size_t parent;
  };
  void expand(size_t level, double bound);
  void keep(size_t level);

  const RealGramSchmidt& gram_schmidt_;
  size_t size_, width_, alive_ = 0;
  int children_;
  std::vector<Child> candidates_;
  // Per survivor: its distance, the centers of the levels to come, its values so far.
  std::vector<double> distance_, next_distance_;
  std::vector<double> centers_, next_centers_, values_, next_values_;
};

}  // namespace cllm::lattice
