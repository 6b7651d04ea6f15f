// Elementwise operations on flat spans and row blocks, threaded over fixed chunks. The operands of
// a call are of one element type unless they are declared fp32.
#pragma once

#include <cstdint>

#include "base/philox.h"
#include "ops/context.h"
#include "ops/values.h"

namespace cllm::ops {

// out [count] = 0
void fill_zero(const Context& context, int64_t count, Values out);

// out [count] = a + b; out may equal a or b.
void add(const Context& context, int64_t count, ConstValues a, ConstValues b, Values out);

// out [C] += the column sums of x [N, C] (bias gradient), rows stride apart, in a fixed tree of row
// blocks. scratch: column_sum_scratch(N, C) floats, which is enough for fewer rows too.
void column_sum(const Context& context, int64_t N, int64_t C, ConstValues x, int64_t stride,
                float* out, float* scratch);
int64_t column_sum_scratch(int64_t N, int64_t C);

// The mask of a dropout is a pure function of (seed, step, site, element), so nothing is stored:
// the backward calls the same function on the gradient.
struct DropoutKey {
  uint64_t seed = 0;
  uint64_t step = 0;  // micro-step: differs in every forward of a run
  uint32_t site = 0;  // which dropout of the model
};

// out [count] = keep ? x / (1 - p) : 0, 0 <= p < 1; out may equal x. Backward: the same call on dy.
void dropout(const Context& context, int64_t count, float p, DropoutKey key, ConstValues x,
             Values out);

// y [count] = activation(x); a forward activation. y may equal x.
void activate(const Context& context, int64_t count, kernels::Activation activation, ConstValues x,
              Values y);

// SwiGLU on rows of [gate F | up F]: y [N, F] = silu(gate) * up. gate_up [N, 2F].
void swiglu_forward(const Context& context, int64_t N, int64_t F, ConstValues gate_up, Values y);

}  // namespace cllm::ops
