// Token and position embedding: gather forward, deterministic scatter-add backward.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/context.h"
#include "ops/values.h"

namespace cllm::ops {

// x [N, C] = token_table[tokens[n]] + position_table[n % T], N = B*T. Either table may be null:
// without tokens, or without positions [>=T, C].
void embedding_forward(const Context& context, int64_t N, int64_t T, int64_t C,
                       const int32_t* tokens, const float* token_table, const float* position_table,
                       Values x);

// dtoken_table [V, C] += the rows of dx [N, C] by token; dposition_table [>=T, C] += by position
// (either may be null; without the first, tokens too). Threaded over columns: every element is
// summed in row order, no atomics, bits independent of threads.
void embedding_backward(const Context& context, int64_t N, int64_t T, int64_t C,
                        const int32_t* tokens, ConstValues dx, float* dtoken_table,
                        float* dposition_table);

}  // namespace cllm::ops
