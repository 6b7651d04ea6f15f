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

// A split depth. Words of the sums of its blocks (4 MiB), elements of C of which the sums of three
// blocks fit there, blocks that share out evenly on four threads (more cost more sums, which cross
// from core to core), the least steps of a block, the tasks wanted, and the rows below which one
// packs too much for itself.
constexpr int64_t kSplitWords = int64_t{1} << 20;
constexpr int64_t kMostSplitElements = kSplitWords / 3 / 16 * 16;
constexpr int64_t kSplitBlocks = 4;
constexpr int64_t kLeastSplitSteps = 64;
constexpr int64_t kWantedSplitTasks = 8;
constexpr int64_t kLeastSplitRows = 32;

// The size of even shares of `count`, each at most `most`.
int64_t even_share(int64_t count, int64_t most) {
  return ceil_div(count, ceil_div(count, most));
}

// The most rows or columns, in whole sides, of a chunk of one block.
int64_t chunk_side(int64_t side) {
  return kChunkWords / (kGemmSteps + 2 * kGemmPadding) / side * side;
}

// Whether operands are packed once for all tasks.
bool packs_together(const Gemm& call) {
  // Sums pass from chunk to chunk in C, where no operand of the epilogue may lie.
  const auto lies_in_c = [&](ConstValues x) { return x && x.data() == call.c.data(); };
  const Epilogue& epilogue = call.epilogue;
  return call.packed == nullptr && call.c.storage() == Storage::kFp32 && call.k > 0 &&
         epilogue.activation != Activation::kSwiglu && !lies_in_c(epilogue.auxiliary) &&
         !lies_in_c(epilogue.residual);
}

// Blocks of a split depth.
int64_t split_blocks(int64_t steps) {
  const int64_t blocks = ceil_div(steps, kGemmSteps);
  return std::max(blocks, std::min(round_up(blocks, kSplitBlocks), steps / kLeastSplitSteps));
}

// Words of a block that a task of a split product packs.
int64_t split_pack(const Context& context) {
  return context.blocking.side * (kGemmSteps + kGemmPadding);
}

}  // namespace

bool is_words(Compute compute, const Gemm& call) {
  return !call.a_transposed &&
         call.a.storage() == (compute == Compute::kBf16 ? Storage::kBf16 : Storage::kFp32);
}

DepthCut::DepthCut(const Gemm& call, int64_t all) : steps(all) {
  const int64_t elements = call.m * call.n;
  split = call.a_transposed && elements <= kMostSplitElements && elements * call.k > kSerialWork &&
          steps >= 2 * kLeastSplitSteps;
  const int64_t least = std::max<int64_t>(1, steps);
  // Even blocks; multiples of 16 words keep every block on a cache line.
  block = round_up(ceil_div(least, split ? split_blocks(steps) : ceil_div(least, kGemmSteps)), 16);
  blocks = ceil_div(least, block);
}

GemmCut::GemmCut(const Context& context, const Gemm& call, const DepthCut& depth) {
  const kernels::GemmKernels& kernels = context.kernels.gemm;
  const int64_t width = kernels.strip * kernels.strips, side = context.blocking.side;
  shared = packs_together(call);
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

GemmSpace::GemmSpace(const Context& context, Compute compute, const Gemm& call) {
  const kernels::GemmKernels& kernels = context.kernels.gemm;
  const int64_t width = kernels.strip * kernels.strips, side = context.blocking.side;
  const int64_t elements = elements_per_step(compute);
  const int64_t steps = std::max<int64_t>(1, ceil_div(call.k, elements));
  const int64_t blocks = call.a_transposed ? split_blocks(steps) : ceil_div(steps, kGemmSteps);
  const int64_t words = std::min(kGemmSteps, round_up(steps, 16)) + kGemmPadding;  // of a row
  const int64_t rows = std::min(side, round_up(call.m, kernels.rows));
  const int64_t columns = std::min(side, round_up(call.n, width));
  const bool swiglu = call.epilogue.activation == Activation::kSwiglu;
  const bool together = packs_together(call);
  const bool a_as_it_is = is_words(compute, call) && call.k % elements == 0;
  of_a = together || a_as_it_is ? 0 : rows * words;
  of_b = together || call.packed != nullptr ? 0 : (swiglu ? 2 * width : columns) * words;
  of_sums = swiglu ? rows * 2 * width : blocks > 1 ? rows * columns : 0;
  const int64_t sides = round_up(std::min(call.m, chunk_side(side)), kernels.rows) +
                        round_up(std::min(call.n, chunk_side(side)), kernels.strip);
  // Of all blocks, each of which is rounded up; but several of them at once have a limit.
  const int64_t deep = steps + blocks * (16 + kGemmPadding);
  const int64_t most = std::max(kTogetherWords, sides * (kGemmSteps + kGemmPadding));
  shared = together ? round_up(std::min(sides * deep, most), 16) : 0;
}

SplitCut::SplitCut(const Context& context, const Gemm& call, const DepthCut& depth) {
  const kernels::GemmKernels& kernels = context.kernels.gemm;
  const int64_t width = kernels.strip * kernels.strips, words = depth.block + kGemmPadding;
  const int64_t most = split_pack(context) / words;
  rows = round_up(even_share(call.m, most / kernels.rows * kernels.rows), kernels.rows);
  columns = round_up(even_share(call.n, most / width * width), width);
  slot = round_up(call.m * call.n, 16);
  together = even_share(depth.blocks, kSplitWords / slot + 1);
  const auto few = [&] {
    return ceil_div(call.m, rows) * ceil_div(call.n, columns) * together < kWantedSplitTasks;
  };
  while (few() && rows > kLeastSplitRows)
    rows = round_up(rows / 2, kernels.rows);
  of_a = rows * words;
  of_b = columns * words;
}

// One thread adds every block in place.
int64_t split_space(const Context& context, Compute compute, const Gemm& call) {
  const int64_t steps = ceil_div(call.k, elements_per_step(compute));
  if (!call.a_transposed || !packs_together(call) || steps < 2 * kLeastSplitSteps ||
      context.pool.size() == 1)
    return 0;
  const kernels::GemmKernels& kernels = context.kernels.gemm;
  const int64_t width = kernels.strip * kernels.strips, pack = split_pack(context);
  // A quarter of the depth, or what a shorter depth is rounded up to.
  const int64_t block = std::max(round_up(ceil_div(steps, kSplitBlocks), 16), 2 * kLeastSplitSteps);
  const int64_t words = std::min(kGemmSteps, block) + kGemmPadding;
  const int64_t of_a = std::min(pack, round_up(call.m, kernels.rows) * words);
  const int64_t of_b = std::min(pack, round_up(call.n, width) * words);
  const int64_t slot = round_up(std::min(call.m * call.n, kMostSplitElements), 16);
  const int64_t sums = std::min(kSplitWords, (split_blocks(steps) - 1) * slot);
  return sums + context.pool.size() * (of_a + of_b);
}

}  // namespace cllm::ops
