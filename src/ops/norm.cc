#include "ops/norm.h"

#include <cstring>

#include "base/check.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

// Calls body(n) for every row, a few rows to a task.
template <class Body>
void for_each_row(const Context& context, int64_t N, Body body) {
  const RowBlocks cut(N);
  context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
    for (int64_t n = cut.begin(block); n < cut.end(block); ++n)
      body(n);
  });
}

// Calls body(n, partial) for every row, partial [width] being the zeroed partial sums of the row's
// block at scratch + block * width.
template <class Body>
void for_each_row_with_sums(const Context& context, int64_t N, int64_t width, float* scratch,
                            Body body) {
  const RowBlocks cut(N);
  context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
    float* partial = scratch + block * width;
    std::memset(partial, 0, static_cast<size_t>(width) * sizeof(float));
    for (int64_t n = cut.begin(block); n < cut.end(block); ++n)
      body(n, partial);
  });
}

}  // namespace

void layer_norm_forward(const Context& context, int64_t N, int64_t C, float epsilon, ConstValues x,
                        const float* gain, const float* bias, Values y, float* mean, float* rstd) {
  const ProfileScope scope(context.profile, "norm forward");
  CHECK(C >= 1);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* in = x.as<S>();
    S* out = y.as<S>();
    for_each_row(context, N, [&](int64_t n) {
      context.kernels.of<S>().rows.layer_norm(C, epsilon, in + n * C, gain, bias, out + n * C,
                                              mean + n, rstd + n);
    });
  });
}

void layer_norm_backward(const Context& context, int64_t N, int64_t C, ConstValues x,
                         const float* gain, const float* mean, const float* rstd, ConstValues dy,
                         Values dx, float* dgain, float* dbias, float* scratch) {
  const ProfileScope scope(context.profile, "norm backward");
  CHECK(C >= 1);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S *in = x.as<S>(), *dout = dy.as<S>();
    S* din = dx.as<S>();
    for_each_row_with_sums(context, N, 2 * C, scratch, [&](int64_t n, float* partial) {
      context.kernels.of<S>().rows.layer_norm_backward(C, in + n * C, gain, mean[n], rstd[n],
                                                       dout + n * C, din + n * C, partial,
                                                       dbias != nullptr ? partial + C : nullptr);
    });
  });
  const int64_t blocks = RowBlocks(N).blocks;
  add_partial_rows(context, blocks, C, scratch, 2 * C, dgain);
  if (dbias != nullptr) add_partial_rows(context, blocks, C, scratch + C, 2 * C, dbias);
}

void rms_norm_forward(const Context& context, int64_t N, int64_t C, float epsilon, ConstValues x,
                      int64_t x_stride, const float* gain, Values y, int64_t y_stride,
                      float* rstd) {
  const ProfileScope scope(context.profile, "norm forward");
  CHECK(C >= 1);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* in = x.as<S>();
    S* out = y.as<S>();
    for_each_row(context, N, [&](int64_t n) {
      rstd[n] = context.kernels.of<S>().rows.rms_norm(C, epsilon, in + n * x_stride, gain,
                                                      out + n * y_stride);
    });
  });
}

void rms_norm_backward(const Context& context, int64_t N, int64_t C, ConstValues x,
                       int64_t x_stride, const float* gain, const float* rstd, ConstValues dy,
                       int64_t dy_stride, Values dx, int64_t dx_stride, bool accumulate,
                       float* dgain, float* scratch) {
  const ProfileScope scope(context.profile, "norm backward");
  CHECK(C >= 1);
  const bool sums = dgain != nullptr;
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S *in = x.as<S>(), *dout = dy.as<S>();
    S* din = dx.as<S>();
    for_each_row_with_sums(context, N, sums ? C : 0, scratch, [&](int64_t n, float* partial) {
      context.kernels.of<S>().rows.rms_norm_backward(C, in + n * x_stride, gain, rstd[n],
                                                     dout + n * dy_stride, accumulate,
                                                     din + n * dx_stride, sums ? partial : nullptr);
    });
  });
  if (sums) add_partial_rows(context, RowBlocks(N).blocks, C, scratch, C, dgain);
}

size_t norm_scratch(int64_t N, int64_t C) {
  return static_cast<size_t>(most_row_blocks(N) * 2 * C);
}

}  // namespace cllm::ops
