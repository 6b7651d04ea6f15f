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

// Called from the calling thread, between calls of fplll and every few million nodes of a search.
// One call of fplll takes 16 rows of LLL or one block of BKZ: well below a second for the sizes
// that people reduce, but a block of 60 takes hours, and nothing is asked before it ends. May
// throw: the exception passes through to the caller of the search, whose input is untouched. An
// empty function is never called.
using SearchWatch = std::function<void(const SearchProgress&)>;

}  // namespace cllm::lattice
