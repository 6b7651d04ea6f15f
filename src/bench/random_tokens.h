// Tokens without meaning, for timing.
#pragma once

#include <cstdint>

#include "data/dataset.h"

namespace cllm::bench {

// `count` tokens below `vocabulary`, the same in every call.
TokenDataset random_tokens(int64_t count, int64_t vocabulary);

}  // namespace cllm::bench
