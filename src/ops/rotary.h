// Rotary position embedding, half-split form (rotate_half): pairs (i, i + D/2) of every head turn
// by position * frequency[i] (Su et al. 2021; layout of Hugging Face Llama). The layer takes
// tables, so any set of frequencies fits.
#pragma once

#include <cstdint>
#include <span>

#include "ops/context.h"
#include "ops/values.h"

namespace cllm::ops {

// cosine, sine [T, D/2] = for positions 0..T-1, computed in double. frequencies [D/2], radians per
// position.
void rotary_tables(int64_t T, std::span<const double> frequencies, float* cosine, float* sine);

// Turns `heads` consecutive heads of size D at the start of each row of x [N, ...] in place; row n
// has position first_position + n % T. direction +1 forward, -1 backward (the inverse turn is the
// transpose). stride: row stride of x.
void rotary(const Context& context, int64_t N, int64_t T, int64_t heads, int64_t D,
            int64_t first_position, const float* cosine, const float* sine, int direction, Values x,
            int64_t stride);

}  // namespace cllm::ops
