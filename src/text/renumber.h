// The same tokens with other ids.
#pragma once

#include <span>

#include "text/tokenizer.h"

namespace cllm {

// new_ids [V]: a permutation, by the id in `tokenizer`. Merges keep their rank, so a text has the
// same tokens. Not for a byte tokenizer; of a char tokenizer, end of text stays the last. O(V).
Tokenizer renumbered(const Tokenizer& tokenizer, std::span<const Token> new_ids);

}  // namespace cllm
