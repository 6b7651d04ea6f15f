// The n-grams of a text and how often they occur, in the counts that Kneser-Ney smoothing wants:
// occurrences for the longest n-grams, different left neighbours for the shorter ones. Sorted
// arrays over token ids, 4 bytes per entry; no hashing, so no collisions.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "text/token.h"

namespace cllm {

// A list of tokens, ascending and each once, for every row.
struct TokenRows {
  std::vector<uint32_t> begin;  // [rows + 1]
  std::vector<Token> tokens;

  int64_t rows() const { return std::ssize(begin) - 1; }
  // Index into `tokens`. O(log of the row's length).
  std::optional<uint32_t> find(uint32_t row, Token token) const;
};

// All n-grams of one length: a context (a row) of length - 1 tokens and the token after it.
struct NgramLevel {
  TokenRows grams;
  std::vector<uint32_t> counts;  // as grams.tokens; >= 1
  // The contexts that are one token longer: row c lists the tokens that stand before context c, and
  // the index of an entry is the row of the longer context in the next level. Empty in the last.
  TokenRows longer;
};

struct NgramCounts {
  int64_t vocabulary_size = 0;
  std::vector<NgramLevel> levels;  // by length of the context
};

// progress(levels done, of all): called after each level; an exception from it ends the work.
using LevelProgress = std::function<void(int64_t, int64_t)>;

// Levels for n-grams of 1 to min(order, tokens of the text) tokens, 0 <= token < vocabulary_size;
// level 0 has one context, the empty one, as row 0. In the last level a count is the number of
// occurrences in the text; below, the number of different tokens before the n-gram, where the start
// of the text counts as one more. Time O(order · n log n), 0.5 s for 10^6 characters and order 6;
// memory during the work 24 bytes per token beside the result. Error (kMemory) for 2^32 tokens or
// more.
NgramCounts count_ngrams(std::span<const Token> text, int64_t vocabulary_size, int order,
                         const LevelProgress& progress = {});

}  // namespace cllm
