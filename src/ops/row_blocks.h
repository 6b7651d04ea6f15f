// Sums over rows whose bits do not depend on threads: the rows are cut into blocks by their number
// alone, each block gives a partial row, and the partial rows are added in block order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/context.h"

namespace cllm::ops {

// At most kMaxRowBlocks blocks (enough work for as many threads, and bounded scratch) of at least
// kLeastRows rows (so that adding the partial rows stays a small part of the work).
inline constexpr int64_t kMaxRowBlocks = 64;
inline constexpr int64_t kLeastRows = 16;

struct RowBlocks {
  int64_t rows;        // N
  int64_t block_rows;  // rows of a block; the last one may have fewer
  int64_t blocks;

  explicit RowBlocks(int64_t N)
      : rows(N),
        block_rows(std::max(kLeastRows, (N + kMaxRowBlocks - 1) / kMaxRowBlocks)),
        blocks((N + block_rows - 1) / block_rows) {}
  int64_t begin(int64_t block) const { return block * block_rows; }
  int64_t end(int64_t block) const { return std::min(rows, begin(block) + block_rows); }
};

// An upper bound of RowBlocks(n).blocks for every n <= N, for scratch that a smaller call uses too.
// RowBlocks itself is no such bound: 1025 rows make 61 blocks, 984 rows make 62.
inline int64_t most_row_blocks(int64_t N) {
  return std::min(kMaxRowBlocks, (N + kLeastRows - 1) / kLeastRows);
}

// out [C] += the sum of the partial rows [blocks, C], stride apart, in order; the first partial row
// is overwritten. Threaded over columns.
void add_partial_rows(const Context& context, int64_t blocks, int64_t C, float* partial,
                      int64_t stride, float* out);

}  // namespace cllm::ops
