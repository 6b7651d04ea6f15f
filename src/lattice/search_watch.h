// How a long search tells of itself and is stopped.
#pragma once

#include <cstdint>
#include <functional>

namespace cllm::lattice {

struct SearchProgress {
  const char* phase = "";  // "LLL", "BKZ", "search"
  uint64_t done = 0;       // rows (LLL), blocks (BKZ), nodes of the tree (search)
  uint64_t total = 0;      // 0: unknown
  double best = 0;         // search: the shortest length or distance so far; else 0
};

// Called from the calling thread a few times a second at most in a long search. May throw: the
// exception passes through to the caller of the search, whose input is untouched. An empty function
// is never called.
using SearchWatch = std::function<void(const SearchProgress&)>;

}  // namespace cllm::lattice
