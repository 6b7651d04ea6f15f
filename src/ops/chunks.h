// Flat spans cut into chunks of a fixed number of elements, one task each.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/context.h"

namespace cllm::ops {

// 32 KiB of floats: long enough to hide the cost of a task, short enough that a small tensor still
// gives every thread some. A multiple of 4, the elements of a Philox block.
inline constexpr int64_t kChunk = 8192;

// Calls body(begin, count) for every chunk of [0, count).
template <class Body>
void for_each_chunk(const Context& context, int64_t count, Body body) {
  context.pool.parallel_for((count + kChunk - 1) / kChunk, [&](int64_t task, int) {
    const int64_t begin = task * kChunk;
    body(begin, std::min(kChunk, count - begin));
  });
}

}  // namespace cllm::ops
