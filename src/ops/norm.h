// LayerNorm (Ba, Kiros, Hinton 2016) and RMSNorm (Zhang, Sennrich 2019) over rows, threaded over
// rows. Statistics in fp32 over C elements with several accumulators; rows are never split.
// x, y and their gradients are of one element type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/context.h"
#include "ops/values.h"

namespace cllm::ops {

// y [N, C] = (x - mean) * rstd * gain + bias; mean, rstd [N] = kept for the backward. bias may be
// null.
void layer_norm_forward(const Context& context, int64_t N, int64_t C, float epsilon, ConstValues x,
                        const float* gain, const float* bias, Values y, float* mean, float* rstd);

// dx [N, C] += ; dgain, dbias [C] += (dbias may be null). scratch: norm_scratch(N, C) floats.
void layer_norm_backward(const Context& context, int64_t N, int64_t C, ConstValues x,
                         const float* gain, const float* mean, const float* rstd, ConstValues dy,
                         Values dx, float* dgain, float* dbias, float* scratch);

// y [N, C] = x * rstd * gain, rstd = 1/sqrt(mean(x^2) + epsilon). Rows lie x_stride / y_stride
// apart. gain may be null (gain 1).
void rms_norm_forward(const Context& context, int64_t N, int64_t C, float epsilon, ConstValues x,
                      int64_t x_stride, const float* gain, Values y, int64_t y_stride, float* rstd);

// dx [N, C] += (accumulate) or = ; dgain [C] += (may be null). dy and dx may be the same rows if
// not accumulate.
void rms_norm_backward(const Context& context, int64_t N, int64_t C, ConstValues x,
                       int64_t x_stride, const float* gain, const float* rstd, ConstValues dy,
                       int64_t dy_stride, Values dx, int64_t dx_stride, bool accumulate,
                       float* dgain, float* scratch);

// Floats of scratch for the backward passes of N rows or fewer: partial sums of the gain and bias
// gradients, one pair of rows per block of rows.
size_t norm_scratch(int64_t N, int64_t C);

}  // namespace cllm::ops
