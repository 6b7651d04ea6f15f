// A text of tokens as a whole, in memory.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace cllm {

std::vector<Token> tokens_of(TokenView text);

// To know a text again. One pass over its tokens.
uint64_t hash_of_tokens(TokenView text);

}  // namespace cllm
