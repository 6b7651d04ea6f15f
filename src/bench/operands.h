// Operands of timed operations: random numbers that closures share.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ops/context.h"
#include "tensor/arena.h"

namespace cllm::bench {

using Floats = std::shared_ptr<Arena>;

inline int64_t bytes_of(int64_t floats) {
  return floats * static_cast<int64_t>(sizeof(float));
}

// Random numbers in (-1, 1); one float at least.
Floats random_floats(const ops::Context& context, int64_t count);

// In [0, V).
std::vector<int32_t> random_ids(int64_t count, int64_t V);

}  // namespace cllm::bench
