// Lattice reduction of integer bases by fplll: LLL (Nguyen and Stehle's L2 with fplll's ladder of
// precisions) and BKZ. fplll keeps its precision in process-wide variables, so calls from several
// threads wait for each other.
#pragma once

#include "lattice/matrix.h"
#include "lattice/search_watch.h"

namespace cllm::lattice {

struct ReduceOptions {
  double delta = 0.99;     // (0.25, 1): Lovasz
  double eta = 0.51;       // (0.5, sqrt(delta)): size reduction
  int64_t block_size = 0;  // 0: LLL; 2 and above: BKZ with this block, which takes LLL first
  int64_t tours = 0;       // BKZ; 0: until a tour changes nothing
  bool transform = false;  // whether Reduced::transform is wanted
};

struct Reduced {
  IntegerMatrix basis;
  IntegerMatrix transform;  // transform * input == basis; empty unless asked for
};

// Longest entries that reduce takes: fplll's time grows with the square of their length.
inline constexpr size_t kLongestEntryBits = 200'000;

// Error (kData) for dependent rows, an empty basis or entries that are too long; (kUsage) for
// options out of range; (kRuntime) if fplll fails. Takes about n^4 log(entries) operations for LLL,
// 2^O(block) for BKZ.
Reduced reduce(const IntegerMatrix& basis, const ReduceOptions& options = {},
               const SearchWatch& watch = {});

// LLL of rows given in doubles: they are rounded to `bits` bits below the longest entry, the
// transform found is applied to the doubles themselves. The lattice step of quantisers: an exact
// unimodular change of an inexact basis. Error (kData) also for entries that are not finite.
struct RealReduced {
  RealMatrix basis;
  IntegerMatrix transform;
};
RealReduced reduce_real(const RealMatrix& basis, int bits = 24, const ReduceOptions& options = {});

}  // namespace cllm::lattice
