#include "ops/gemm_plan.h"

#include <algorithm>

namespace cllm::ops {
namespace {

// Tasks that are wanted for even shares on many threads, and the sides below which a task does not
// pay. Where each packs for itself, small ones pack too much.
constexpr int64_t kWantedTasks = 32;
constexpr int64_t kLeastRows = kGemmSideUnit;
constexpr int64_t kLeastColumns = 2 * kGemmSideUnit;
constexpr int64_t kWantedPackingTasks = 16;
constexpr int64_t kLeastPackingRows = 2 * kGemmSideUnit;

// Words of a chunk of A and of one of B (4 MiB each), and of both where they hold several blocks of
// depth: more have left the second level caches before they are used.
constexpr int64_t kChunkWords = int64_t{1} << 20;
constexpr int64_t kTogetherWords = int64_t{1} << 20;

// The size of even shares of `count`, each at most `most`.
int64_t even_share(int64_t count, int64_t most) {
  return ceil_div(count, ceil_div(count, most));
}

// The most rows or columns, in whole sides, of a chunk of one block.
int64_t chunk_side(int64_t side) {
  return kChunkWords / (kGemmSteps + 2 * kGemmPadding) / side * side;
}

}  // namespace

DepthCut::DepthCut(int64_t all) : steps(all) {
  // Even blocks; multiples of 16 words keep every block on a cache line.
  block = round_up(even_share(std::max<int64_t>(1, steps), kGemmSteps), 16);
  blocks = ceil_div(std::max<int64_t>(1, steps), block);
}

GemmCut::GemmCut(const Context& context, const Gemm& call, const DepthCut& depth) {
  const kernels::GemmKernels& kernels = context.kernels.gemm;
  const int64_t width = kernels.strip * kernels.strips, side = context.blocking.side;
  // Sums pass from chunk to chunk in C, where no operand of the epilogue may lie.
  const Epilogue& epilogue = call.epilogue;
  shared = call.packed == nullptr && call.c.storage() == Storage::kFp32 && call.k > 0 &&
           epilogue.activation != Activation::kSwiglu &&
           epilogue.auxiliary.data() != call.c.data() && epilogue.residual.data() != call.c.data();
  chunk_rows = std::min(call.m, chunk_side(side));
  chunk_columns = std::min(call.n, chunk_side(side));
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

GemmSpace::GemmSpace(const GemmBlocking& blocking)
    : of_a(blocking.side * (kGemmSteps + kGemmPadding)),
      of_b(of_a),
      of_sums(blocking.side * blocking.side),
      shared(kChunkWords) {}

}  // namespace cllm::ops
