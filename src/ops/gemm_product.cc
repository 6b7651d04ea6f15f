#include "ops/gemm_product.h"

#include <algorithm>

#include "base/check.h"
#include "ops/dropout_mask.h"
#include "threads/machine.h"

namespace cllm::ops {
namespace {

using kernels::GemmKernels;
using kernels::GemmResult;
using kernels::GemmTile;
using kernels::GemmWords;

constexpr int64_t kWord = sizeof(float);

// Up to this many rows B is read where it is.
constexpr int64_t kFewRows = GemmKernels::kDotRows;

// What one task packs of a shared operand: steps of its whole width where rows of memory run
// across, rows of its whole depth where they run along.
constexpr int64_t kPieceSteps = 32;
constexpr int64_t kPieceRows = 96;

}  // namespace

const GemmWords& gemm_words(const Context& context, Compute compute) {
  const GemmKernels& gemm = context.kernels.gemm;
  CHECK_MSG(compute == Compute::kFp32 || gemm.pairs.tile != nullptr, "{} multiplies no bf16",
            context.kernels.name);
  return compute == Compute::kBf16 ? gemm.pairs : gemm.fp32;
}

int64_t gemm_strip_floats(const GemmKernels& kernels, int64_t steps) {
  return steps * kernels.strip + kGemmPadding;
}

GemmResult gemm_result(const Gemm& call, int64_t row, int64_t column) {
  const Epilogue& epilogue = call.epilogue;
  const int64_t offset = row * call.ldc + column;
  GemmResult result;
  result.storage = call.c.storage();
  result.c = (call.c + offset).data();
  result.ldc = call.ldc;
  if (epilogue.bias != nullptr) result.bias = epilogue.bias + column;
  result.activation = epilogue.activation;
  if (epilogue.activation != Activation::kNone)
    result.auxiliary = (epilogue.auxiliary + offset).data();
  result.residual = (epilogue.residual + offset).data();
  if (epilogue.activation == Activation::kSwigluBackward) result.half = call.n;
  if (epilogue.dropout > 0) {
    const DropoutMask mask = dropout_mask(epilogue.dropout, epilogue.dropout_key);
    const int64_t width = epilogue.activation == Activation::kSwiglu ? call.n / 2 : call.n;
    result.dropout = {mask.stream, mask.threshold, mask.scale, row * width + column, width};
  }
  return result;
}

GemmProduct::GemmProduct(const Context& context, Compute compute, const Gemm& call, float* scratch)
    : context_(context),
      pool_(context.pool),
      kernels_(context.kernels.gemm),
      words_(gemm_words(context, compute)),
      call_(call),
      elements_(elements_per_step(compute)),
      depth_(call, ceil_div(call.k, elements_)),
      cut_(context, call, depth_),
      space_(context, compute, call),
      a_is_words_(is_words(compute, call)),
      result_(gemm_result(call, 0, 0)),
      c_is_large_(call.m * call.n * kernels::storage_bytes(call.c.storage()) > 2 * level2_bytes()),
      shared_a_(scratch),
      shared_b_(shared_rows(cut_.chunk_blocks)),
      workers_(scratch + space_.shared) {}

void GemmProduct::run() const {
  if (call_.epilogue.activation == Activation::kSwiglu) return run_swiglu();
  if (splits()) return run_split({context_, call_, depth_});
  if (!cut_.shared) return run_chunk({0, call_.m, 0, call_.n, 0, depth_.blocks});
  for (int64_t column = 0; column < call_.n; column += cut_.chunk_columns)
    for (int64_t block = 0; block < depth_.blocks; block += cut_.chunk_blocks)
      for (int64_t row = 0; row < call_.m; row += cut_.chunk_rows) {
        const Part chunk{row,    std::min(cut_.chunk_rows, call_.m - row),
                         column, std::min(cut_.chunk_columns, call_.n - column),
                         block,  std::min(cut_.chunk_blocks, depth_.blocks - block)};
        pack_shared(chunk, row == 0);
        run_chunk(chunk);
      }
}

// Straight, tasks with the same columns are neighbours: a worker keeps its part of B in its cache.
void GemmProduct::run_chunk(const Part& chunk) const {
  const int64_t bands = ceil_div(chunk.rows, cut_.rows);
  const int64_t across = ceil_div(chunk.columns, cut_.columns);
  run_gemm_tasks(pool_, call_, bands * across, [&](int64_t task, int worker) {
    const Tile tile = tile_at(context_.tiles, bands, across, task);
    Part part = chunk;
    part.row += tile.first * cut_.rows;
    part.column += tile.second * cut_.columns;
    part.rows = std::min(cut_.rows, chunk.row + chunk.rows - part.row);
    part.columns = std::min(cut_.columns, chunk.column + chunk.columns - part.column);
    run_task(chunk, part, workers_ + worker * space_.worker());
  });
}

void GemmProduct::run_task(const Part& chunk, const Part& part, float* space) const {
  float* own_b = space + space_.of_a;
  for (int64_t block = part.block; block < part.block + part.blocks; ++block)
    multiply(part, block, rows_of(chunk, part.row, part.rows, block, space),
             strips_of(chunk, part.column, part.columns, block, own_b), own_b + space_.of_b);
}

// Where they are, or where they were packed for the chunk, or packed now into `space`.
GemmProduct::Rows GemmProduct::rows_of(const Part& chunk, int64_t row, int64_t rows, int64_t block,
                                       float* space) const {
  if (a_in_place(block)) return a_in_place_at(row, block);
  if (!cut_.shared) {
    pack_rows(row, rows, block, 0, steps(block), space);
    return packed_rows(space, block);
  }
  Rows a = packed_rows(shared_rows(block - chunk.block), block);
  a.data += (row - chunk.row) / kernels_.rows * a.tile;
  return a;
}

GemmProduct::Strips GemmProduct::strips_of(const Part& chunk, int64_t column, int64_t columns,
                                           int64_t block, float* space) const {
  if (call_.packed != nullptr || b_in_place(columns)) return b_in_place_at(column, block);
  if (!cut_.shared) {
    pack_strips(column, columns, block, 0, steps(block), space);
    return packed_strips(space, block);
  }
  Strips b = packed_strips(shared_strips(block - chunk.block), block);
  b.data += (column - chunk.column) / kernels_.strip * b.strip;
  return b;
}

int64_t GemmProduct::steps(int64_t block) const {
  return std::min(depth_.block, depth_.steps - block * depth_.block);
}

int64_t GemmProduct::elements(int64_t block) const {
  return std::min(steps(block) * elements_, call_.k - first_element(block));
}

// The last pair of an odd depth must be padded.
bool GemmProduct::a_in_place(int64_t block) const {
  return a_is_words_ && elements(block) == steps(block) * elements_;
}

GemmProduct::Rows GemmProduct::a_in_place_at(int64_t row, int64_t block) const {
  const ConstValues a = call_.a + (row * call_.lda + first_element(block));
  const int64_t stride = call_.lda * kernels::storage_bytes(call_.a.storage());
  return {static_cast<const char*>(a.data()), stride, kWord, kernels_.rows * stride};
}

GemmProduct::Rows GemmProduct::packed_rows(const float* space, int64_t block) const {
  const char* data = reinterpret_cast<const char*>(space);
  const int64_t rows = kernels_.rows;
  if (call_.a_transposed)
    return {data, kWord, rows * kWord, (rows * steps(block) + kGemmPadding) * kWord};
  const int64_t stride = (round_up(steps(block), 16) + kGemmPadding) * kWord;
  return {data, stride, kWord, rows * stride};
}

// `steps` steps from `step` on of some rows of a block, to where packed_rows(space) has them.
void GemmProduct::pack_rows(int64_t row, int64_t rows, int64_t block, int64_t step, int64_t steps,
                            float* space) const {
  const Rows to = packed_rows(space, block);
  const int64_t first = first_element(block) + step * elements_;
  const int64_t count = std::min(steps * elements_, call_.k - first);
  float* out = space + step * to.step / kWord;
  with_storage(call_.a.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const auto& packing = words_.of<S>();
    const S* a = call_.a.as<S>();
    if (call_.a_transposed)
      packing.rows_transposed(count, rows, a + first * call_.lda + row, call_.lda, out,
                              to.tile / kWord);
    else
      packing.rows(count, rows, a + row * call_.lda + first, call_.lda, out, to.row / kWord);
  });
}

bool GemmProduct::b_in_place(int64_t columns) const {
  return call_.m <= kFewRows && !call_.b_transposed && elements_ == 1 &&
         call_.b.storage() == Storage::kFp32 && columns % kernels_.strip == 0;
}

GemmProduct::Strips GemmProduct::b_in_place_at(int64_t column, int64_t block) const {
  const int64_t strip = kernels_.strip;
  if (call_.packed == nullptr)
    return {call_.b.as<float>() + first_element(block) * call_.ldb + column, call_.ldb, strip};
  const int64_t stride = gemm_strip_floats(kernels_, depth_.steps);
  return {call_.packed->data + column / strip * stride + block * depth_.block * strip, strip,
          stride};
}

GemmProduct::Strips GemmProduct::packed_strips(const float* space, int64_t block) const {
  return {space, kernels_.strip, gemm_strip_floats(kernels_, steps(block))};
}

void GemmProduct::pack_strips(int64_t column, int64_t columns, int64_t block, int64_t step,
                              int64_t steps, float* space) const {
  const Strips to = packed_strips(space, block);
  const int64_t first = first_element(block) + step * elements_;
  const int64_t count = std::min(steps * elements_, call_.k - first);
  if (count <= 0) return;
  float* out = space + step * to.step;
  with_storage(call_.b.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const auto& packing = words_.of<S>();
    const S* b = call_.b.as<S>();
    if (call_.b_transposed)
      packing.columns_transposed(count, columns, b + column * call_.ldb + first, call_.ldb, out,
                                 to.strip);
    else
      packing.columns(count, columns, b + first * call_.ldb + column, call_.ldb, out, to.strip);
  });
}

float* GemmProduct::shared_rows(int64_t block) const {
  const int64_t rows = round_up(cut_.chunk_rows, kernels_.rows);
  return shared_a_ + block * rows * (depth_.block + kGemmPadding);
}

float* GemmProduct::shared_strips(int64_t block) const {
  const int64_t strips = ceil_div(cut_.chunk_columns, kernels_.strip);
  return shared_b_ + block * strips * gemm_strip_floats(kernels_, depth_.block);
}

int64_t GemmProduct::pieces(bool along_depth, int64_t side) const {
  return along_depth ? ceil_div(depth_.block, kPieceSteps) : ceil_div(side, kPieceRows);
}

void GemmProduct::pack_rows_piece(const Part& chunk, int64_t block, int64_t piece) const {
  const int64_t index = chunk.block + block, depth = steps(index);
  float* space = shared_rows(block);
  if (call_.a_transposed) {
    const int64_t step = piece * kPieceSteps;
    if (step < depth)
      pack_rows(chunk.row, chunk.rows, index, step, std::min(kPieceSteps, depth - step), space);
    return;
  }
  const int64_t row = piece * kPieceRows, rows = std::min(kPieceRows, chunk.rows - row);
  const int64_t offset = row / kernels_.rows * packed_rows(space, index).tile / kWord;
  if (!a_in_place(index)) pack_rows(chunk.row + row, rows, index, 0, depth, space + offset);
}

void GemmProduct::pack_strips_piece(const Part& chunk, int64_t block, int64_t piece) const {
  const int64_t index = chunk.block + block, depth = steps(index);
  float* space = shared_strips(block);
  if (!call_.b_transposed) {
    const int64_t step = piece * kPieceSteps;
    if (step < depth)
      pack_strips(chunk.column, chunk.columns, index, step, std::min(kPieceSteps, depth - step),
                  space);
    return;
  }
  const int64_t column = piece * kPieceRows, columns = std::min(kPieceRows, chunk.columns - column);
  const int64_t offset = column / kernels_.strip * packed_strips(space, index).strip;
  pack_strips(chunk.column + column, columns, index, 0, depth, space + offset);
}

void GemmProduct::pack_shared(const Part& chunk, bool with_strips) const {
  const int64_t a = a_is_words_ && call_.k % elements_ == 0
                        ? 0
                        : pieces(call_.a_transposed, chunk.rows) * chunk.blocks;
  const int64_t b = with_strips ? pieces(!call_.b_transposed, chunk.columns) * chunk.blocks : 0;
  run_gemm_tasks(pool_, call_, a + b, [&](int64_t task, int) {
    if (task < a)
      pack_rows_piece(chunk, task % chunk.blocks, task / chunk.blocks);
    else
      pack_strips_piece(chunk, (task - a) % chunk.blocks, (task - a) / chunk.blocks);
  });
}

// Strips in even register tiles: four of them are two and two, not three and one. A tile of A stays
// in the first level cache while the strips pass it by.
void GemmProduct::multiply(const Part& part, int64_t block, const Rows& a, const Strips& b,
                           float* sums) const {
  const int64_t strips = ceil_div(part.columns, kernels_.strip);
  const int64_t across = ceil_div(strips, kernels_.strips);
  GemmTile tile;
  tile.steps = steps(block);
  tile.a_row = a.row, tile.a_step = a.step;
  tile.b_step = b.step, tile.b_strip = b.strip;
  tile.prefetch = c_is_large_;
  // A single block needs no sums, and may be of more tiles than there is space for.
  const int64_t tile_floats =
      part.blocks > 1 ? kernels_.rows * kernels_.strip * kernels_.strips : 0;
  for (int64_t i = 0; i < part.rows; i += kernels_.rows) {
    tile.rows = std::min(kernels_.rows, part.rows - i);
    tile.a = a.data + i / kernels_.rows * a.tile;
    for (int64_t j = 0; j < across; ++j, sums += tile_floats) {
      const int64_t strip = strips * j / across, end = strips * (j + 1) / across;
      const int64_t column = strip * kernels_.strip;
      tile.columns = std::min(end * kernels_.strip, part.columns) - column;
      tile.b = b.data + strip * b.strip;
      set_ends(part, block, part.row + i, part.column + column, sums, tile);
      words_.tile(tile);
    }
  }
}

// gemm_result(), of which a small tile would feel the cost: 6 % of a layer 256 wide with dropout.
GemmResult GemmProduct::result_at(int64_t row, int64_t column) const {
  GemmResult result = result_;
  const int64_t bytes = (row * call_.ldc + column) * kernels::storage_bytes(call_.c.storage());
  result.c = static_cast<char*>(result.c) + bytes;
  if (result.auxiliary != nullptr) result.auxiliary = static_cast<char*>(result.auxiliary) + bytes;
  if (result.residual != nullptr)
    result.residual = static_cast<const char*>(result.residual) + bytes;
  if (result.bias != nullptr) result.bias += column;
  result.dropout.first += row * result.dropout.row + column;
  return result;
}

// Where the sums of a tile come from and go to: from an accumulated C or zero, through the sums of
// the task and, between chunks, C, to the epilogue. Of a split depth: from zero to part.sums.
void GemmProduct::set_ends(const Part& part, int64_t block, int64_t row, int64_t column,
                           float* sums, GemmTile& tile) const {
  if (part.sums != nullptr) {
    tile.result.c = part.sums + row * call_.n + column;
    tile.result.ldc = call_.n;
    return;
  }
  const bool first = block == part.block, last = block == part.block + part.blocks - 1;
  tile.start = sums;
  tile.start_stride = kernels_.strip * kernels_.strips;
  tile.sums = last ? nullptr : sums;
  if (last && block == depth_.blocks - 1) {
    tile.result = result_at(row, column);
  } else if (last) {
    tile.result.c = call_.c.as<float>() + row * call_.ldc + column;
    tile.result.ldc = call_.ldc;
  }
  if (!first) return;
  tile.start = nullptr;
  if (block == 0 && !call_.accumulate) return;
  tile.start = call_.c.as<float>() + row * call_.ldc + column;
  tile.start_stride = call_.ldc;
}

}  // namespace cllm::ops
