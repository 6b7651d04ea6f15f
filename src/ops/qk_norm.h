// Queries and keys of a fused projection made ready for attention in one pass over each row: every
// head is RMS-normalised with its kind's gain (QK-norm, Henry et al. 2020) and, with tables, turned
// by its position (ops/rotary.h) while it lies in the first cache. Threaded over rows.
#pragma once

#include <cstdint>

#include "ops/context.h"
#include "ops/values.h"

namespace cllm::ops {

struct QkNormShape {
  int64_t N = 0, T = 0;  // rows; tokens per sequence
  int64_t H = 0, K = 0,
          D = 0;  // query heads, key heads, their size; a row begins [H heads | K heads]
  float epsilon = 0;
  int64_t first_position = 0;
  const float* cosine = nullptr;  // [positions, D/2]; both null: no rotation
  const float* sine = nullptr;
};

// y [N, (H + K) D] = rotated normal heads of x; rstd [N, H + K] = kept for the backward. Strides
// are those of rows, in elements. x and y are of one element type.
void qk_norm_forward(const Context& context, const QkNormShape& shape, ConstValues x,
                     int64_t x_stride, const float* q_gain, const float* k_gain, Values y,
                     int64_t y_stride, float* rstd);

// dx [N, (H + K) D] = from dy, which is overwritten (turned back); dq_gain, dk_gain [D] +=.
// scratch: qk_norm_scratch(N, D) floats.
void qk_norm_backward(const Context& context, const QkNormShape& shape, ConstValues x,
                      int64_t x_stride, const float* q_gain, const float* k_gain, const float* rstd,
                      Values dy, int64_t dy_stride, Values dx, int64_t dx_stride, float* dq_gain,
                      float* dk_gain, float* scratch);
int64_t qk_norm_scratch(int64_t N, int64_t D);

}  // namespace cllm::ops
