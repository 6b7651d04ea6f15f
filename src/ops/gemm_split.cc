// A product with few tiles of C and a long depth (dW of a small layer): its blocks of depth are
// made side by side and then added in their order, which gives the bits of one after the other.
// Each task packs for itself, so what crosses from core to core is sums, not operands; those are
// fewer.
#include <algorithm>

#include "ops/gemm_product.h"

namespace cllm::ops {
namespace {

constexpr int64_t kSumElements = 2048;  // of C that a task adds up

}  // namespace

// One thread adds every block to those before it in place.
bool GemmProduct::splits() const {
  const Epilogue& epilogue = call_.epilogue;
  const bool plain = epilogue.bias == nullptr && epilogue.activation == Activation::kNone &&
                     epilogue.dropout == 0 && !epilogue.residual;
  return depth_.split && cut_.shared && plain && pool_.size() > 1;
}

// The first block between two barriers is added to C, the others have sums of their own.
void GemmProduct::run_split(const SplitCut& cut) const {
  const int64_t bands = ceil_div(call_.m, cut.rows), across = ceil_div(call_.n, cut.columns);
  const int64_t tiles = bands * across;
  float* const workers = shared_a_ + (cut.together - 1) * cut.slot;
  for (int64_t first = 0; first < depth_.blocks; first += cut.together) {
    const int64_t count = std::min(cut.together, depth_.blocks - first);
    pool_.parallel_for(tiles * count, [&](int64_t task, int worker) {
      const int64_t index = task / tiles;
      const Tile tile = tile_at(context_.tiles, bands, across, task % tiles);
      Part part{tile.first * cut.rows, 0, tile.second * cut.columns, 0, first + index, 1};
      part.rows = std::min(cut.rows, call_.m - part.row);
      part.columns = std::min(cut.columns, call_.n - part.column);
      if (index > 0) part.sums = shared_a_ + (index - 1) * cut.slot;
      float* space = workers + worker * cut.worker();
      run_split_task(part, space, space + cut.of_a);
    });
    add_sums(shared_a_, cut.slot, count - 1);
  }
}

void GemmProduct::run_split_task(const Part& part, float* space_a, float* space_b) const {
  const int64_t block = part.block;
  pack_rows(part.row, part.rows, block, 0, steps(block), space_a);
  pack_strips(part.column, part.columns, block, 0, steps(block), space_b);
  multiply(part, block, packed_rows(space_a, block), packed_strips(space_b, block), nullptr);
}

// C += sums [count][m, n].
void GemmProduct::add_sums(const float* sums, int64_t slot, int64_t count) const {
  const int64_t rows = std::max<int64_t>(1, kSumElements / call_.n);
  pool_.parallel_for(ceil_div(call_.m, rows), [&](int64_t task, int) {
    const int64_t end = std::min(call_.m, (task + 1) * rows);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t row = task * rows; row < end; ++row)
        context_.kernels.fp32.rows.accumulate(call_.n, sums + i * slot + row * call_.n,
                                              call_.c.as<float>() + row * call_.ldc);
  });
}

}  // namespace cllm::ops
