#include "bench/staircase_products.h"

#include <algorithm>

#include "base/check.h"

namespace cllm::bench {
namespace {

using kernels::GemmDots;
using kernels::GemmKernels;
using kernels::GemmTile;

void plain_forward(ProductSize size, ConstMatrix x, ConstMatrix w, Matrix y) {
  for (int64_t n = 0; n < size.N; ++n)
    for (int64_t o = 0; o < size.out; ++o) {
      float sum = 0;
      for (int64_t i = 0; i < size.in; ++i)
        sum += x.data[n * x.stride + i] * w.data[o * w.stride + i];
      y.data[n * y.stride + o] = sum;
    }
}

void plain_backward_input(ProductSize size, ConstMatrix dy, ConstMatrix w, Matrix dx) {
  for (int64_t n = 0; n < size.N; ++n) {
    float* row = dx.data + n * dx.stride;
    std::fill(row, row + size.in, 0.0f);
    for (int64_t o = 0; o < size.out; ++o)
      for (int64_t i = 0; i < size.in; ++i)
        row[i] += dy.data[n * dy.stride + o] * w.data[o * w.stride + i];
  }
}

void plain_backward_weight(ProductSize size, ConstMatrix dy, ConstMatrix x, Matrix dw) {
  for (int64_t n = 0; n < size.N; ++n)
    for (int64_t o = 0; o < size.out; ++o)
      for (int64_t i = 0; i < size.in; ++i)
        dw.data[o * dw.stride + i] += dy.data[n * dy.stride + o] * x.data[n * x.stride + i];
}

bool is_empty(const ops::Epilogue& epilogue) {
  return epilogue.bias == nullptr && epilogue.activation == ops::Activation::kNone &&
         !epilogue.residual;
}

}  // namespace

Products::Products(const Features& features, const ops::Context& context)
    : features_(features), context_(context) {
  if (features.packed)
    scratch_ = Arena(static_cast<int64_t>(ops::gemm_scratch(context)), "the staircase");
}

// One row at a time, each against all weights; batched: each group of weights against all rows.
void Products::dots(ProductSize size, ConstMatrix x, ConstMatrix w, Matrix y) const {
  const int64_t rows = features_.batched ? GemmKernels::kDotRows : 1;
  const auto tile_at = [&](int64_t n, int64_t o) {
    GemmDots tile;
    tile.rows = std::min(rows, size.N - n);
    tile.columns = std::min(GemmKernels::kDotColumns, size.out - o);
    tile.k = size.in;
    tile.a = x.data + n * x.stride;
    tile.a_row = x.stride;
    tile.b = w.data + o * w.stride;
    tile.b_row = w.stride;
    tile.result.c = y.data + n * y.stride + o;
    tile.result.ldc = y.stride;
    context_.kernels.gemm.dots(tile);
  };
  if (features_.batched) {
    for (int64_t o = 0; o < size.out; o += GemmKernels::kDotColumns)
      for (int64_t n = 0; n < size.N; n += rows)
        tile_at(n, o);
  } else {
    for (int64_t n = 0; n < size.N; ++n)
      for (int64_t o = 0; o < size.out; o += GemmKernels::kDotColumns)
        tile_at(n, o);
  }
}

void Products::tiles(const Tiles& product) const {
  constexpr int64_t kWord = sizeof(float);
  const GemmKernels& kernels = context_.kernels.gemm;
  const int64_t rows = features_.batched ? kernels.rows : 1;
  const int64_t columns = kernels.strip * kernels.strips;
  const auto tile_at = [&](int64_t r, int64_t j) {
    GemmTile tile;
    tile.rows = std::min(rows, product.rows - r);
    tile.columns = std::min(columns, product.columns - j);
    tile.steps = product.k;
    tile.a = product.a + r * product.a_row;
    tile.a_row = product.a_row * kWord;
    tile.a_step = product.a_step * kWord;
    tile.b = product.b.data + j;  // strips that lie side by side in the rows of B
    tile.b_step = product.b.stride;
    tile.b_strip = kernels.strip;
    float* c = product.c.data + r * product.c.stride + j;
    if (product.accumulate) tile.start = c;
    tile.start_stride = product.c.stride;
    tile.result.c = c;
    tile.result.ldc = product.c.stride;
    kernels.fp32.tile(tile);
  };
  if (features_.batched) {
    for (int64_t j = 0; j < product.columns; j += columns)
      for (int64_t r = 0; r < product.rows; r += rows)
        tile_at(r, j);
  } else {
    for (int64_t r = 0; r < product.rows; ++r)
      for (int64_t j = 0; j < product.columns; j += columns)
        tile_at(r, j);
  }
}

void Products::forward(ProductSize size, ConstMatrix x, ConstMatrix w, Matrix y,
                       const ops::Epilogue& epilogue) {
  CHECK(features_.packed || is_empty(epilogue));
  if (!features_.simd) return plain_forward(size, x, w, y);
  if (!features_.packed) return dots(size, x, w, y);
  ops::gemm(context_,
            {.m = size.N,
             .n = size.out,
             .k = size.in,
             .a = x.data,
             .lda = x.stride,
             .b = w.data,
             .ldb = w.stride,
             .b_transposed = true,
             .c = y.data,
             .ldc = y.stride,
             .epilogue = epilogue},
            scratch_.data());
}

void Products::backward_input(ProductSize size, ConstMatrix dy, ConstMatrix w, Matrix dx,
                              const ops::Epilogue& epilogue) {
  CHECK(features_.packed || is_empty(epilogue));
  if (!features_.simd) return plain_backward_input(size, dy, w, dx);
  if (!features_.packed)
    return tiles({size.N, size.in, size.out, dy.data, dy.stride, 1, w, dx, false});
  ops::gemm(context_,
            {.m = size.N,
             .n = size.in,
             .k = size.out,
             .a = dy.data,
             .lda = dy.stride,
             .b = w.data,
             .ldb = w.stride,
             .c = dx.data,
             .ldc = dx.stride,
             .epilogue = epilogue},
            scratch_.data());
}

void Products::backward_weight(ProductSize size, ConstMatrix dy, ConstMatrix x, Matrix dw) {
  if (!features_.simd) return plain_backward_weight(size, dy, x, dw);
  if (!features_.packed)
    return tiles({size.out, size.in, size.N, dy.data, 1, dy.stride, x, dw, true});
  ops::gemm(context_,
            {.m = size.out,
             .n = size.in,
             .k = size.N,
             .a = dy.data,
             .lda = dy.stride,
             .a_transposed = true,
             .b = x.data,
             .ldb = x.stride,
             .c = dw.data,
             .ldc = dw.stride,
             .accumulate = true},
            scratch_.data());
}

}  // namespace cllm::bench
