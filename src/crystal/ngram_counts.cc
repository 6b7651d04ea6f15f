#include "crystal/ngram_counts.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

// A row and a token in one number, which sorts by row, then token.
uint64_t make_key(uint32_t row, Token token) {
  return uint64_t{row} << 32 | static_cast<uint32_t>(token);
}
uint32_t row_of(uint64_t key) {
  return static_cast<uint32_t>(key >> 32);
}
Token token_of(uint64_t key) {
  return static_cast<Token>(key & 0xffffffffu);
}

// Sorts the keys; appends how often each occurs to `counts`, and keeps it once.
void sort_and_count(std::vector<uint64_t>& keys, std::vector<uint32_t>& counts) {
  std::ranges::sort(keys);
  size_t kept = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (kept == 0 || keys[i] != keys[kept - 1]) {
      keys[kept++] = keys[i];
      counts.push_back(0);
    }
    ++counts.back();
  }
  keys.resize(kept);
}

TokenRows make_rows(const std::vector<uint64_t>& keys, size_t rows) {
  TokenRows result;
  result.begin.assign(rows + 1, 0);
  result.tokens.reserve(keys.size());
  for (const uint64_t key : keys) {
    ++result.begin[row_of(key) + 1];
    result.tokens.push_back(token_of(key));
  }
  for (size_t row = 0; row < rows; ++row)
    result.begin[row + 1] += result.begin[row];
  return result;
}

class Counter {
 public:
  Counter(std::span<const Token> text, size_t levels, const LevelProgress& progress)
      : text_(text), levels_(levels), contexts_(text.size(), 0), progress_(progress) {}

  std::vector<NgramLevel> count() {
    first_contexts_.push_back(0);
    for (size_t length = 1; length < levels_.size(); ++length) {
      lengthen_contexts(length);
      report();
    }
    count_occurrences();
    report();
    for (size_t length = levels_.size() - 1; length-- > 0;) {
      count_left_neighbours(length);
      report();
    }
    return std::move(levels_);
  }

 private:
  size_t contexts_of(size_t length) const {
    return length == 0 ? 1 : levels_[length - 1].longer.tokens.size();
  }

  // contexts_[i] becomes the row of the `length` tokens before position i.
  void lengthen_contexts(size_t length) {
    keys_.clear();
    for (size_t i = length; i < text_.size(); ++i)
      keys_.push_back(make_key(contexts_[i], text_[i - length]));
    std::ranges::sort(keys_);
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    TokenRows& longer = levels_[length - 1].longer;
    longer = make_rows(keys_, contexts_of(length - 1));
    for (size_t i = length; i < text_.size(); ++i)
      contexts_[i] = *longer.find(contexts_[i], text_[i - length]);
    first_contexts_.push_back(contexts_[length]);
  }

  void count_occurrences() {
    const size_t length = levels_.size() - 1;
    keys_.clear();
    for (size_t i = length; i < text_.size(); ++i)
      keys_.push_back(make_key(contexts_[i], text_[i]));
    keep(length);
  }

  // Every n-gram of the next level is one left neighbour of the n-gram without its first token.
  void count_left_neighbours(size_t length) {
    const TokenRows& longer = levels_[length].longer;
    const TokenRows& grams = levels_[length + 1].grams;
    keys_.assign(1, make_key(first_contexts_[length], text_[length]));
    for (uint32_t row = 0; row < longer.rows(); ++row)
      for (uint32_t i = grams.begin[longer.begin[row]]; i < grams.begin[longer.begin[row + 1]]; ++i)
        keys_.push_back(make_key(row, grams.tokens[i]));
    keep(length);
  }

  void keep(size_t length) {
    NgramLevel& level = levels_[length];
    sort_and_count(keys_, level.counts);
    level.grams = make_rows(keys_, contexts_of(length));
  }

  void report() {
    ++done_;
    if (progress_) progress_(done_, 2 * std::ssize(levels_) - 1);
  }

  std::span<const Token> text_;
  std::vector<NgramLevel> levels_;
  std::vector<uint32_t> contexts_;        // of every position, at the length at hand
  std::vector<uint32_t> first_contexts_;  // by length: of the n-gram that begins the text
  std::vector<uint64_t> keys_;
  const LevelProgress& progress_;
  int64_t done_ = 0;
};

}  // namespace

std::optional<uint32_t> TokenRows::find(uint32_t row, Token token) const {
  const auto first = tokens.begin() + begin[row], last = tokens.begin() + begin[row + 1];
  const auto found = std::lower_bound(first, last, token);
  if (found == last || *found != token) return std::nullopt;
  return static_cast<uint32_t>(found - tokens.begin());
}

NgramCounts count_ngrams(std::span<const Token> text, int64_t vocabulary_size, int order,
                         const LevelProgress& progress) {
  CHECK_MSG(order >= 1 && vocabulary_size >= 1, "order={} V={}", order, vocabulary_size);
  for (const Token token : text)
    CHECK_MSG(token >= 0 && token < vocabulary_size, "token {} of {}", token, vocabulary_size);
  if (text.size() >= std::numeric_limits<uint32_t>::max())
    throw Error(ErrorKind::kMemory, "", fmt::format("{} tokens are too many to count", text.size()),
                "fit on a part of the text");
  const size_t levels = std::min(static_cast<size_t>(order), text.size());
  if (levels == 0) return {vocabulary_size, {}};
  return {vocabulary_size, Counter(text, levels, progress).count()};
}

}  // namespace cllm
