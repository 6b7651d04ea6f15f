#include "ops/decode.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "ops/gemm_product.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

using kernels::DecodeDots;
using kernels::DecodeKernels;

constexpr float kLargestInt8 = 127;

// Returns the scale of w[i] = scale * integers[i].
float quantise(int64_t n, const float* w, int8_t* integers) {
  float most = 0;
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    most = std::max(most, std::abs(w[i]));
    finite = finite && std::isfinite(w[i]);
  }
  const float scale = most / kLargestInt8;
  if (!finite || scale == 0) {
    std::fill_n(integers, n, int8_t{0});
    return finite ? 0 : std::numeric_limits<float>::quiet_NaN();
  }
  for (int64_t i = 0; i < n; ++i)
    integers[i] =
        static_cast<int8_t>(std::clamp(std::nearbyint(w[i] / scale), -kLargestInt8, kLargestInt8));
  return scale;
}

float scale_of(const DecodeMatrix& matrix, int64_t row) {
  return matrix.scale != nullptr ? matrix.scale[row] : 1.0f;
}

DecodeDots dots_of(const DecodeMatrix& matrix, int64_t N, const float* x, int64_t row,
                   int64_t count) {
  DecodeDots dots;
  dots.rows = N;
  dots.columns = count;
  dots.k = matrix.in;
  dots.a = x;
  dots.a_row = matrix.in;
  dots.b = matrix.row(row);
  dots.b_row = matrix.in;
  if (matrix.scale != nullptr) dots.scale = matrix.scale + row;
  return dots;
}

// Gate and up of the same columns, then their product.
void decode_swiglu(const Context& context, const DecodeMatrix& matrix, const Gemm& call,
                   int64_t column, int64_t count) {
  const int64_t F = matrix.out / 2;
  const auto& kernels = context.kernels.decode.of(matrix.type);
  alignas(64) float gate[DecodeKernels::kSums], up[DecodeKernels::kSums];
  const auto* x = call.a.as<float>();
  DecodeDots dots = dots_of(matrix, call.m, x, column, count);
  dots.sums = gate;
  kernels.dots(dots);
  dots = dots_of(matrix, call.m, x, F + column, count);
  dots.sums = up;
  kernels.dots(dots);
  kernels::GemmSwiglu out;
  out.rows = call.m, out.columns = count;
  out.gate_sums = gate, out.up_sums = up, out.sums_row = DecodeKernels::kColumns;
  out.auxiliary_row = 2 * call.ldc;
  out.result = gemm_result(call, 0, column);
  if (call.epilogue.auxiliary) out.result.auxiliary = (call.epilogue.auxiliary + column).data();
  out.result.half = F;
  if (out.result.bias != nullptr) out.up_bias = out.result.bias + F;
  context.kernels.gemm.finish_swiglu(out);
}

// x [in] = (or += if add) a row of the matrix.
void read_row(const Context& context, const DecodeMatrix& matrix, int64_t row, bool add, float* x) {
  CHECK_MSG(row >= 0 && row < matrix.out, "row {} of {}", row, matrix.out);
  context.kernels.decode.of(matrix.type)
      .expand(matrix.in, matrix.row(row), scale_of(matrix, row), add, x);
}

}  // namespace

DecodeMatrix store_matrix(const Context& context, WeightType type, int64_t out, int64_t in,
                          const float* w, void* data, float* scale) {
  const RowBlocks cut(out);
  context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
    const int64_t begin = cut.begin(block), rows = cut.end(block) - begin;
    const float* from = w + begin * in;
    if (type == WeightType::kFp32)
      std::copy(from, from + rows * in, static_cast<float*>(data) + begin * in);
    else if (type == WeightType::kBf16)
      context.kernels.of<Bf16>().rows.narrow(rows * in, from,
                                             static_cast<Bf16*>(data) + begin * in);
    else
      for (int64_t r = begin; r < begin + rows; ++r)
        scale[r] = quantise(in, w + r * in, static_cast<int8_t*>(data) + r * in);
  });
  return {type, data, type == WeightType::kInt8 ? scale : nullptr, out, in};
}

void expand(const Context& context, const DecodeMatrix& matrix, float* w) {
  const ProfileScope scope(context.profile, "expand weights");
  const RowBlocks cut(matrix.out);
  const auto& kernels = context.kernels.decode.of(matrix.type);
  context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
    for (int64_t r = cut.begin(block); r < cut.end(block); ++r)
      kernels.expand(matrix.in, matrix.row(r), scale_of(matrix, r), false, w + r * matrix.in);
  });
}

void decode(const Context& context, const DecodeMatrix& matrix, int64_t N, const float* x, float* y,
            const Epilogue& epilogue) {
  const ProfileScope scope(context.profile, "product decode");
  CHECK_MSG(N >= 0 && N <= kDecodeRows, "N={}", N);
  const bool swiglu = epilogue.activation == Activation::kSwiglu;
  CHECK(!swiglu || matrix.out % 2 == 0);
  const int64_t width = swiglu ? matrix.out / 2 : matrix.out;
  if (N == 0 || width == 0) return;
  Gemm call{.m = N, .n = matrix.out, .k = matrix.in, .a = x, .lda = matrix.in};
  call.c = y;
  call.ldc = width;
  call.epilogue = epilogue;
  const auto& kernels = context.kernels.decode.of(matrix.type);
  const int64_t tasks = ceil_div(width, DecodeKernels::kColumns);
  run_gemm_tasks(context.pool, call, tasks, [&](int64_t task, int) {
    const int64_t column = task * DecodeKernels::kColumns;
    const int64_t count = std::min(DecodeKernels::kColumns, width - column);
    if (swiglu) return decode_swiglu(context, matrix, call, column, count);
    DecodeDots dots = dots_of(matrix, N, x, column, count);
    dots.result = gemm_result(call, 0, column);
    kernels.dots(dots);
  });
}

void decode_rows(const Context& context, const DecodeMatrix& matrix, std::span<const int32_t> rows,
                 const float* x, float* y) {
  const ProfileScope scope(context.profile, "product decode");
  const auto count = static_cast<int64_t>(rows.size());
  for (const int32_t row : rows)
    CHECK_MSG(row >= 0 && row < matrix.out, "row {} of {}", row, matrix.out);
  Gemm call{.m = 1, .n = count, .k = matrix.in, .a = x, .lda = matrix.in};
  call.c = y;
  call.ldc = count;
  const auto& kernels = context.kernels.decode.of(matrix.type);
  run_gemm_tasks(context.pool, call, ceil_div(count, DecodeKernels::kColumns),
                 [&](int64_t task, int) {
                   const int64_t first = task * DecodeKernels::kColumns;
                   DecodeDots dots =
                       dots_of(matrix, 1, x, 0, std::min(DecodeKernels::kColumns, count - first));
                   dots.pick = rows.data() + first;
                   std::array<float, DecodeKernels::kColumns> scales = {};
                   if (matrix.scale != nullptr) {
                     for (int64_t j = 0; j < dots.columns; ++j)
                       scales[static_cast<size_t>(j)] = matrix.scale[dots.pick[j]];
                     dots.scale = scales.data();
                   }
                   dots.result = gemm_result(call, 0, first);
                   kernels.dots(dots);
                 });
}

void gather(const Context& context, int64_t T, std::span<const int32_t> tokens,
            const DecodeMatrix& table, std::span<const int64_t> first_positions,
            const DecodeMatrix* position_table, float* x) {
  const ProfileScope scope(context.profile, "embedding forward");
  for (int64_t n = 0; n < std::ssize(tokens); ++n, x += table.in) {
    read_row(context, table, tokens[static_cast<size_t>(n)], false, x);
    if (position_table == nullptr) continue;
    read_row(context, *position_table, first_positions[static_cast<size_t>(n / T)] + n % T, true,
             x);
  }
}

void add_positions(const Context& context, int64_t T, std::span<const int64_t> first_positions,
                   const DecodeMatrix& position_table, float* x) {
  const ProfileScope scope(context.profile, "embedding forward");
  for (const int64_t first : first_positions)
    for (int64_t t = 0; t < T; ++t, x += position_table.in)
      read_row(context, position_table, first + t, true, x);
}

void gather_add(const Context& context, std::span<const int32_t> rows, const DecodeMatrix& table,
                float* x) {
  const ProfileScope scope(context.profile, "n-gram forward");
  for (const int32_t row : rows) {
    read_row(context, table, row, true, x);
    x += table.in;
  }
}

void attend_cached(const Context& context, const CachedAttention& shape, const float* q,
                   int64_t q_stride, std::span<const CachedRows> sequences, float* out) {
  const ProfileScope scope(context.profile, "attention forward");
  const auto B = static_cast<int64_t>(sequences.size());
  const int64_t H = shape.H, D = shape.D, group = H / shape.K;
  context.pool.parallel_for(B * H, [&](int64_t task, int) {
    const int64_t b = task / H, h = task % H;
    const CachedRows& rows = sequences[static_cast<size_t>(b)];
    kernels::AttentionForward<float> call;
    call.block.queries = 1;
    call.block.position = rows.tokens - 1;
    call.block.D = D;
    call.block.scale = shape.scale;
    call.block.q = {q + b * q_stride + h * D, q_stride};
    call.block.k = {rows.k + h / group * D, rows.row_stride};
    call.block.v = {rows.v + h / group * D, rows.row_stride};
    call.out = {out + task * D, H * D};
    context.kernels.fp32.attention.forward_one(call);
  });
}

}  // namespace cllm::ops
