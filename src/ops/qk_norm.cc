#include "ops/qk_norm.h"

#include <cstring>

#include "base/check.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

void check_shape(const QkNormShape& s) {
  CHECK_MSG(s.D >= 1 && s.T >= 1 && (s.cosine == nullptr || s.D % 2 == 0), "D={} T={}", s.D, s.T);
}

// Turns all heads of row n.
template <class S>
void turn(const Context& context, const QkNormShape& s, int64_t n, float direction, S* heads) {
  if (s.cosine == nullptr) return;
  const int64_t half = s.D / 2, table_row = (s.first_position + n % s.T) * half;
  context.kernels.of<S>().rows.rotary(s.H + s.K, half, s.cosine + table_row, s.sine + table_row,
                                      direction, heads);
}

}  // namespace

void qk_norm_forward(const Context& context, const QkNormShape& shape, ConstValues x,
                     int64_t x_stride, const float* q_gain, const float* k_gain, Values y,
                     int64_t y_stride, float* rstd) {
  const ProfileScope scope(context.profile, "qk norm forward");
  check_shape(shape);
  const QkNormShape& s = shape;
  const RowBlocks cut(s.N);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* in = x.as<S>();
    S* out = y.as<S>();
    context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
      for (int64_t n = cut.begin(block); n < cut.end(block); ++n) {
        for (int64_t head = 0; head < s.H + s.K; ++head)
          rstd[n * (s.H + s.K) + head] = context.kernels.of<S>().rows.rms_norm(
              s.D, s.epsilon, in + n * x_stride + head * s.D, head < s.H ? q_gain : k_gain,
              out + n * y_stride + head * s.D);
        turn(context, s, n, +1, out + n * y_stride);
      }
    });
  });
}

void qk_norm_backward(const Context& context, const QkNormShape& shape, ConstValues x,
                      int64_t x_stride, const float* q_gain, const float* k_gain, const float* rstd,
                      Values dy, int64_t dy_stride, Values dx, int64_t dx_stride, float* dq_gain,
                      float* dk_gain, float* scratch) {
  const ProfileScope scope(context.profile, "qk norm backward");
  check_shape(shape);
  const QkNormShape& s = shape;
  const RowBlocks cut(s.N);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* in = x.as<S>();
    S *dout = dy.as<S>(), *din = dx.as<S>();
    context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
      float* dgains = scratch + block * 2 * s.D;
      std::memset(dgains, 0, static_cast<size_t>(2 * s.D) * sizeof(float));
      for (int64_t n = cut.begin(block); n < cut.end(block); ++n) {
        turn(context, s, n, -1, dout + n * dy_stride);
        for (int64_t head = 0; head < s.H + s.K; ++head)
          context.kernels.of<S>().rows.rms_norm_backward(
              s.D, in + n * x_stride + head * s.D, head < s.H ? q_gain : k_gain,
              rstd[n * (s.H + s.K) + head], dout + n * dy_stride + head * s.D, false,
              din + n * dx_stride + head * s.D, head < s.H ? dgains : dgains + s.D);
      }
    });
  });
  add_partial_rows(context, cut.blocks, s.D, scratch, 2 * s.D, dq_gain);
  add_partial_rows(context, cut.blocks, s.D, scratch + s.D, 2 * s.D, dk_gain);
}

int64_t qk_norm_scratch(int64_t N, int64_t D) {
  return most_row_blocks(N) * 2 * D;
}

}  // namespace cllm::ops
