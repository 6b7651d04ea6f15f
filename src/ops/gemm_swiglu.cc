// SwiGLU of a product: the tiles of gate and up that belong together, in one task.
#include <algorithm>

#include "ops/gemm_product.h"

namespace cllm::ops {

using kernels::GemmTile;

// One register tile of the gate and the one of the up that belongs to it, as wide as a tile or, if
// the up does not begin on a strip, a strip narrower.
void GemmProduct::run_swiglu() const {
  const int64_t F = call_.n / 2, strip = kernels_.strip;
  const int64_t columns = (kernels_.strips - (F % strip == 0 ? 0 : 1)) * strip;
  const int64_t bands = ceil_div(call_.m, cut_.rows), across = ceil_div(F, columns);
  run_gemm_tasks(pool_, call_, bands * across, [&](int64_t task, int worker) {
    const Tile tile = tile_at(context_.tiles, bands, across, task);
    const int64_t row = tile.first * cut_.rows, column = tile.second * columns;
    run_swiglu_task(row, std::min(cut_.rows, call_.m - row), column, std::min(columns, F - column),
                    workers_ + worker * space_.worker());
  });
}

void GemmProduct::run_swiglu_task(int64_t row, int64_t rows, int64_t column, int64_t columns,
                                  float* space) const {
  const int64_t up = call_.n / 2 + column, shift = up % kernels_.strip;
  const int64_t width = kernels_.strip * kernels_.strips, tile_floats = kernels_.rows * width;
  const Part chunk{0, call_.m, 0, call_.n, 0, depth_.blocks};
  float* own_b = space + space_.of_a;
  for (int64_t block = 0; block < depth_.blocks; ++block) {
    const Rows a = rows_of(chunk, row, rows, block, space);
    const Strips b[] = {
        strips_of(chunk, column, columns, block, own_b),
        strips_of(chunk, up - shift, columns + shift, block, own_b + space_.of_b / 2)};
    float* sums = own_b + space_.of_b;
    for (int64_t i = 0; i < rows; i += kernels_.rows) {
      GemmTile tile;
      tile.rows = std::min(kernels_.rows, rows - i);
      tile.steps = steps(block);
      tile.a = a.data + i / kernels_.rows * a.tile;
      tile.a_row = a.row, tile.a_step = a.step;
      tile.start_stride = width;
      for (const bool is_up : {false, true}) {
        tile.columns = columns + (is_up ? shift : 0);
        tile.b = b[is_up].data, tile.b_step = b[is_up].step, tile.b_strip = b[is_up].strip;
        tile.start = block > 0 ? sums : nullptr;
        tile.sums = sums;
        words_.tile(tile);
        sums += tile_floats;
      }
      if (block == depth_.blocks - 1)
        finish_swiglu(row + i, column, columns, shift, tile.rows, sums - 2 * tile_floats);
    }
  }
}

void GemmProduct::finish_swiglu(int64_t row, int64_t column, int64_t columns, int64_t shift,
                                int64_t rows, const float* sums) const {
  const int64_t F = call_.n / 2, width = kernels_.strip * kernels_.strips;
  kernels::GemmSwiglu out;
  out.rows = rows, out.columns = columns;
  out.gate_sums = sums, out.up_sums = sums + kernels_.rows * width + shift, out.sums_row = width;
  out.auxiliary_row = 2 * call_.ldc;
  out.result = result_at(row, column);
  out.result.auxiliary = (call_.epilogue.auxiliary + (row * out.auxiliary_row + column)).data();
  out.result.half = F;
  if (out.result.bias != nullptr) out.up_bias = out.result.bias + F;
  kernels_.finish_swiglu(out);
}

}  // namespace cllm::ops
