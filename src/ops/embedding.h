// Token and position embedding: gather forward, deterministic scatter-add backward.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/context.h"
#include "ops/values.h"

namespace cllm::ops {

// x [N, C] = token_table[tokens[n]] + position_table[n % T], N = B*T. Either table may be null:
// without tokens, or without positions [>=T, C]. keys [N]: those of sort_tokens(), in whose order
// the rows are gathered; null: as they come. Same bits.
void embedding_forward(const Context& context, int64_t N, int64_t T, int64_t C,
                       const int32_t* tokens, const float* token_table, const float* position_table,
                       Values x, const uint64_t* keys = nullptr);

// dtoken_table [V, C] += the rows of dx [N, C] by token; dposition_table [>=T, C] += by position
// (either may be null; without the first, tokens too). Every element is summed in row order, no
// atomics, bits independent of threads and of keys. Threaded over columns; with keys [N], those of
// sort_tokens(), over tokens too, a row of the table having one writer.
void embedding_backward(const Context& context, int64_t N, int64_t T, int64_t C,
                        const int32_t* tokens, ConstValues dx, float* dtoken_table,
                        float* dposition_table, const uint64_t* keys = nullptr);

// keys [N] = token * 2^32 + place of the tokens [N] >= 0, sorted; N < 2^32. O(N log N) on the
// calling thread; allocates nothing.
void sort_tokens(const Context& context, int64_t N, const int32_t* tokens, uint64_t* keys);

}  // namespace cllm::ops
