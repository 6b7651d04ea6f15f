// Theta series by counting: every vector of the lattice up to a length is visited once.
#pragma once

#include <vector>

#include "lattice/classical.h"
#include "lattice/search_watch.h"

namespace cllm::lattice {

struct Shell {
  double norm2 = 0;    // squared length
  uint64_t count = 0;  // vectors of that length
};

// The shells up to most_norm2 in ascending order, the zero vector included, empty ones left out.
// Some 10^8 vectors a second. Error (kUsage) for a length that is negative or above 1000.
std::vector<Shell> count_shells(Classical lattice, double most_norm2,
                                const SearchWatch& watch = {});

}  // namespace cllm::lattice
