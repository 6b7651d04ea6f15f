#include "ops/elementwise.h"

#include <cmath>
#include <cstring>

#include "base/check.h"
#include "ops/chunks.h"
#include "ops/dropout_mask.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

// Rows of a task of the gated activation: about a chunk of elements.
int64_t rows_per_task(int64_t F) {
  return std::max<int64_t>(1, kChunk / std::max<int64_t>(1, F));
}

}  // namespace

void fill_zero(const Context& context, int64_t count, float* out) {
  const ProfileScope scope(context.profile, "fill zero");
  for_each_chunk(context, count, [&](int64_t begin, int64_t n) {
    std::memset(out + begin, 0, static_cast<size_t>(n) * sizeof(float));
  });
}

void add(const Context& context, int64_t count, const float* a, const float* b, float* out) {
  const ProfileScope scope(context.profile, "add");
  for_each_chunk(context, count, [&](int64_t begin, int64_t n) {
    context.kernels.rows.add(n, a + begin, b + begin, out + begin);
  });
}

void accumulate(const Context& context, int64_t count, const float* x, float* out) {
  const ProfileScope scope(context.profile, "accumulate");
  for_each_chunk(context, count, [&](int64_t begin, int64_t n) {
    context.kernels.rows.accumulate(n, x + begin, out + begin);
  });
}

void column_sum(const Context& context, int64_t N, int64_t C, const float* x, int64_t stride,
                float* out, float* scratch) {
  const ProfileScope scope(context.profile, "column sum");
  const RowBlocks cut(N);
  context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
    const int64_t begin = cut.begin(block);
    context.kernels.rows.sum_rows(cut.end(block) - begin, C, x + begin * stride, stride,
                                  scratch + block * C);
  });
  add_partial_rows(context, cut.blocks, C, scratch, C, out);
}

int64_t column_sum_scratch(int64_t N, int64_t C) {
  return most_row_blocks(N) * C;
}

void dropout(const Context& context, int64_t count, float p, DropoutKey key, const float* x,
             float* out) {
  const ProfileScope scope(context.profile, "dropout");
  const DropoutMask mask = dropout_mask(p, key);
  for_each_chunk(context, count, [&](int64_t begin, int64_t n) {
    context.kernels.rows.dropout(&mask.stream, begin, n, mask.threshold, mask.scale, x + begin,
                                 out + begin);
  });
}

void swiglu_forward(const Context& context, int64_t N, int64_t F, const float* gate_up, float* y) {
  const ProfileScope scope(context.profile, "swiglu forward");
  const int64_t rows = rows_per_task(F);
  context.pool.parallel_for((N + rows - 1) / rows, [&](int64_t task, int) {
    for (int64_t n = task * rows; n < std::min(N, (task + 1) * rows); ++n) {
      const float* gate = gate_up + n * 2 * F;
      context.kernels.rows.swiglu(F, gate, gate + F, y + n * F);
    }
  });
}

void swiglu_backward(const Context& context, int64_t N, int64_t F, const float* gate_up,
                     const float* dy, float* dgate_up) {
  const ProfileScope scope(context.profile, "swiglu backward");
  const int64_t rows = rows_per_task(F);
  context.pool.parallel_for((N + rows - 1) / rows, [&](int64_t task, int) {
    for (int64_t n = task * rows; n < std::min(N, (task + 1) * rows); ++n) {
      const float* gate = gate_up + n * 2 * F;
      float* dgate = dgate_up + n * 2 * F;
      context.kernels.rows.swiglu_backward(F, gate, gate + F, dy + n * F, dgate, dgate + F);
    }
  });
}

}  // namespace cllm::ops
