// Adds gradients that shards of a batch have computed apart.
#pragma once

#include <cstdint>
#include <span>

#include "ops/context.h"

namespace cllm::optim {

// parts[0] [count] += the other parts, in a binary tree over their order: (0 + 1) + (2 + 3) and so
// on, so that the bits depend on the number of parts only. Overwrites the other parts with inner
// sums. Threads over chunks, whose whole tree stays in a core's cache: every part is read once.
void sum_in_tree(const ops::Context& context, int64_t count, std::span<float* const> parts);

}  // namespace cllm::optim
