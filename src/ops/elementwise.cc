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

void fill_zero(const Context& context, int64_t count, Values out) {
  const ProfileScope scope(context.profile, "fill zero");
  const auto bytes = static_cast<size_t>(kernels::storage_bytes(out.storage()));
  for_each_chunk(context, count, [&](int64_t begin, int64_t n) {
    std::memset((out + begin).data(), 0, static_cast<size_t>(n) * bytes);
  });
}

void add(const Context& context, int64_t count, ConstValues a, ConstValues b, Values out) {
  const ProfileScope scope(context.profile, "add");
  with_storage(out.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S *left = a.as<S>(), *right = b.as<S>();
    S* sum = out.as<S>();
    for_each_chunk(context, count, [&](int64_t begin, int64_t n) {
      context.kernels.of<S>().rows.add(n, left + begin, right + begin, sum + begin);
    });
  });
}

void column_sum(const Context& context, int64_t N, int64_t C, ConstValues x, int64_t stride,
                float* out, float* scratch) {
  const ProfileScope scope(context.profile, "column sum");
  const RowBlocks cut(N);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* in = x.as<S>();
    context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
      const int64_t begin = cut.begin(block);
      context.kernels.of<S>().rows.sum_rows(cut.end(block) - begin, C, in + begin * stride, stride,
                                            scratch + block * C);
    });
  });
  add_partial_rows(context, cut.blocks, C, scratch, C, out);
}

int64_t column_sum_scratch(int64_t N, int64_t C) {
  return most_row_blocks(N) * C;
}

void dropout(const Context& context, int64_t count, float p, DropoutKey key, ConstValues x,
             Values out) {
  const ProfileScope scope(context.profile, "dropout");
  const DropoutMask mask = dropout_mask(p, key);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* in = x.as<S>();
    S* kept = out.as<S>();
    for_each_chunk(context, count, [&](int64_t begin, int64_t n) {
      context.kernels.of<S>().rows.dropout(&mask.stream, begin, n, mask.threshold, mask.scale,
                                           in + begin, kept + begin);
    });
  });
}

void activate(const Context& context, int64_t count, kernels::Activation activation, ConstValues x,
              Values y) {
  const ProfileScope scope(context.profile, "activation");
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* in = x.as<S>();
    S* out = y.as<S>();
    for_each_chunk(context, count, [&](int64_t begin, int64_t n) {
      context.kernels.of<S>().rows.activate(activation, n, in + begin, out + begin);
    });
  });
}

void swiglu_forward(const Context& context, int64_t N, int64_t F, ConstValues gate_up, Values y) {
  const ProfileScope scope(context.profile, "swiglu forward");
  const int64_t rows = rows_per_task(F);
  with_storage(y.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* in = gate_up.as<S>();
    S* out = y.as<S>();
    context.pool.parallel_for((N + rows - 1) / rows, [&](int64_t task, int) {
      for (int64_t n = task * rows; n < std::min(N, (task + 1) * rows); ++n) {
        const S* gate = in + n * 2 * F;
        context.kernels.of<S>().rows.swiglu(F, gate, gate + F, out + n * F);
      }
    });
  });
}

}  // namespace cllm::ops
