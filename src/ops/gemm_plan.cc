#include "ops/gemm_plan.h"

#include <algorithm>

#include "threads/caches.h"

namespace cllm::ops {
namespace {

// Sides of a task's part of C are multiples of this, which all register tiles divide.
constexpr int64_t kSideUnit = 48;

// Tasks that are wanted for even shares on many threads, and the sides below which a task does not
// pay. Where each packs for itself, small ones pack too much.
constexpr int64_t kWantedTasks = 32;
constexpr int64_t kLeastRows = kSideUnit;
constexpr int64_t kLeastColumns = 2 * kSideUnit;
constexpr int64_t kWantedPackingTasks = 16;
constexpr int64_t kLeastPackingRows = 2 * kSideUnit;

// Words of a chunk of A and of one of B (4 MiB each), and of both where they hold several blocks of
// depth: more have left the second level caches before they are used.
constexpr int64_t kChunkWords = int64_t{1} << 20;
constexpr int64_t kTogetherWords = int64_t{1} << 20;

// The size of even shares of `count`, each at most `most`.
int64_t even_share(int64_t count, int64_t most) {
  return ceil_div(count, ceil_div(count, most));
}

// The largest side for which a block of A, one of B and the sums fill three quarters of the second
// level cache.
int64_t find_side() {
  const int64_t floats = cache_sizes().level2 / 4 * 3 / static_cast<int64_t>(sizeof(float));
  int64_t side = 2 * kSideUnit;  // a tile of the gate and one of the up
  for (int64_t next = side; 2 * next * kGemmSteps + next * next <= floats; next += kSideUnit)
    side = next;
  return side;
}

int64_t task_side() {
  static const int64_t side = find_side();
  return side;
}

// The most rows or columns, in whole sides, of a chunk of one block.
int64_t chunk_side() {
  return kChunkWords / (kGemmSteps + 2 * kGemmPadding) / task_side() * task_side();
}

}  // namespace

DepthCut::DepthCut(int64_t all) : steps(all) {
  // Even blocks; multiples of 16 words keep every block on a cache line.
  block = round_up(even_share(std::max<int64_t>(1, steps), kGemmSteps), 16);
  blocks = ceil_div(std::max<int64_t>(1, steps), block);
}

GemmCut::GemmCut(const kernels::GemmKernels& kernels, const Gemm& call, const DepthCut& depth) {
  const int64_t width = kernels.strip * kernels.strips, side = task_side();
  // Sums pass from chunk to chunk in C, where no operand of the epilogue may lie.
  const Epilogue& epilogue = call.epilogue;
  shared = call.packed == nullptr && call.c.storage() == Storage::kFp32 && call.k > 0 &&
           epilogue.activation != Activation::kSwiglu &&
           epilogue.auxiliary.data() != call.c.data() && epilogue.residual.data() != call.c.data();
  chunk_rows = std::min(call.m, chunk_side());
  chunk_columns = std::min(call.n, chunk_side());
  const int64_t sides = chunk_rows + kernels.rows + chunk_columns + width;
  const int64_t together = kTogetherWords / (sides * (depth.block + kGemmPadding));
  chunk_blocks = even_share(depth.blocks, std::max<int64_t>(1, together));

  columns = even_share(ceil_div(chunk_columns, width), side / width) * width;
  rows = even_share(ceil_div(chunk_rows, kernels.rows), side / kernels.rows) * kernels.rows;
  const bool packing = call.packed == nullptr && !shared;
  const int64_t wanted = packing ? kWantedPackingTasks : kWantedTasks;
  const int64_t least_rows = packing ? kLeastPackingRows : kLeastRows;
  const auto few = [&] {
    return ceil_div(chunk_columns, columns) * ceil_div(chunk_rows, rows) < wanted;
  };
  while (few() && rows > least_rows)
    rows = std::max(least_rows, rows / 2 / kernels.rows * kernels.rows);
  while (few() && columns > kLeastColumns)
    columns = std::max(kLeastColumns, columns / 2 / width * width);
}

GemmSpace::GemmSpace()
    : of_a(task_side() * (kGemmSteps + kGemmPadding)),
      of_b(of_a),
      of_sums(task_side() * task_side()),
      shared(kChunkWords) {}

GemmBlocking gemm_blocking(const Context&) {
  return {kGemmSteps, task_side(), task_side()};
}

}  // namespace cllm::ops
