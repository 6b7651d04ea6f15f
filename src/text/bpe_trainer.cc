#include "text/bpe_trainer.h"

#include <algorithm>
#include <map>
#include <queue>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "text/gpt2_split.h"
#include "text/utf8.h"

namespace cllm {
namespace {

// Text that is collected before it is cut into words. Without a safe cut in it (64 KB without white
// space) it is cut at the last whole character.
constexpr size_t kBufferBytes = size_t{1} << 16;
constexpr int kMaxVocabulary = 1 << 20;
constexpr int kProgressEvery = 256;
// A pair seen once says nothing about the next text.
constexpr int64_t kMinCount = 2;

using Pair = uint64_t;  // left id in the high half: its order is the order of ties
Pair make_pair_key(Token left, Token right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}
Token left_of(Pair pair) {
  return static_cast<Token>(pair >> 32);
}
Token right_of(Pair pair) {
  return static_cast<Token>(pair & UINT32_MAX);
}

struct PairHash {
  size_t operator()(Pair pair) const {
    pair *= 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(pair ^ pair >> 32);
  }
};

struct Word {
  size_t begin;     // of its symbols
  uint32_t length;  // shrinks as pairs merge
  int64_t count;
};

struct PairState {
  int64_t count = 0;
  std::vector<uint32_t>
      words;  // those that held the pair at some time; a superset of those that do
};

struct Candidate {
  int64_t count;
  Pair pair;
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

// The training loop on words that are already counted.
class MergeLearner {
 public:
  MergeLearner(size_t words, size_t bytes) {
    words_.reserve(words);
    symbols_.reserve(bytes);
    for (int byte = 0; byte < 256; ++byte) {
      pieces_.emplace_back(1, static_cast<char>(byte));
      id_of_piece_.emplace(pieces_.back(), byte);
    }
  }

  void add_word(std::string_view bytes, int64_t count) {
    const auto index = static_cast<uint32_t>(words_.size());
    words_.push_back({symbols_.size(), static_cast<uint32_t>(bytes.size()), count});
    for (const char byte : bytes)
      symbols_.push_back(static_cast<uint8_t>(byte));
    const Token* symbols = symbols_.data() + words_.back().begin;
    for (size_t i = 0; i + 1 < bytes.size(); ++i)
      change(make_pair_key(symbols[i], symbols[i + 1]), count, index);
  }

  // Merges until there are `size` pieces or no pair is left.
  void learn(size_t size, const std::function<void(int)>& progress) {
    push_changed();
    int since = 0;
    while (pieces_.size() < size) {
      const Pair best = next_pair();
      if (best == kNoPair) break;
      merge(best);
      if (++since % kProgressEvery == 0) progress(static_cast<int>(pieces_.size()));
    }
  }

  BpeParts take() {
    BpeParts parts;
    parts.pieces = std::move(pieces_);
    parts.merges = std::move(merges_);
    return parts;
  }

 private:
  static constexpr Pair kNoPair = UINT64_MAX;

  void change(Pair pair, int64_t by, uint32_t word) {
    PairState& state = pairs_[pair];
    state.count += by;
    if (by < 0) return;
    if (state.words.empty() || state.words.back() != word) state.words.push_back(word);
    changed_.push_back(pair);
  }

  // Every pair whose count grew gets an entry with its new count, so the heap always holds an entry
  // at least as high as each pair's count; one that is too high is corrected when it comes up.
  void push_changed() {
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (const Pair pair : changed_)
      if (const int64_t count = pairs_[pair].count; count >= kMinCount) heap_.push({count, pair});
    changed_.clear();
  }

  Pair next_pair() {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      const auto found = pairs_.find(top.pair);
      const int64_t count = found == pairs_.end() ? 0 : found->second.count;
      if (count == top.count) return top.pair;
      if (count >= kMinCount && count < top.count) heap_.push({count, top.pair});
    }
    return kNoPair;
  }

  // Two pairs can spell the same bytes ("a"+"bc", "ab"+"c"): they share one token.
  Token token_for(Pair pair) {
    std::string piece = pieces_[static_cast<size_t>(left_of(pair))];
    piece += pieces_[static_cast<size_t>(right_of(pair))];
    const auto [found, fresh] = id_of_piece_.emplace(piece, static_cast<Token>(pieces_.size()));
    if (fresh) pieces_.push_back(std::move(piece));
    return found->second;
  }

  void merge(Pair pair) {
    const Token merged = token_for(pair);
    // A pair can come back when a part of it arises in another way; its merge exists already.
    if (merged_pairs_.emplace(pair, merged).second)
      merges_.emplace_back(left_of(pair), right_of(pair));
    const std::vector<uint32_t> words = std::move(pairs_[pair].words);
    for (const uint32_t index : words)
      merge_in_word(index, pair, merged);
    pairs_.erase(pair);
    push_changed();
  }

  void merge_in_word(uint32_t index, Pair pair, Token merged) {
    Word& word = words_[index];
    Token* symbols = symbols_.data() + word.begin;
    const Token left = left_of(pair), right = right_of(pair);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < word.length;) {
      if (i + 1 == word.length || symbols[i] != left || symbols[i + 1] != right) {
        symbols[kept++] = symbols[i++];
        continue;
      }
      if (kept > 0) {
        change(make_pair_key(symbols[kept - 1], left), -word.count, index);
        change(make_pair_key(symbols[kept - 1], merged), word.count, index);
      }
      if (i + 2 < word.length) {
        change(make_pair_key(right, symbols[i + 2]), -word.count, index);
        change(make_pair_key(merged, symbols[i + 2]), word.count, index);
      }
      symbols[kept++] = merged;
      i += 2;
    }
    word.length = kept;
  }

  std::vector<std::string> pieces_;
  std::unordered_map<std::string, Token> id_of_piece_;
  std::vector<Merge> merges_;
  std::unordered_map<Pair, Token, PairHash> merged_pairs_;
  std::vector<Word> words_;
  std::vector<Token> symbols_;
  std::unordered_map<Pair, PairState, PairHash> pairs_;
  std::vector<Pair> changed_;
  std::priority_queue<Candidate> heap_;
};

}  // namespace

BpeTrainer::BpeTrainer(size_t max_words) : max_words_(max_words) {
  CHECK(max_words >= 1);
}

// The buffer is cut only when it is full, so where it is cut does not depend on the chunks.
void BpeTrainer::add(std::string_view chunk) {
  while (!chunk.empty()) {
    const size_t take = std::min(chunk.size(), kBufferBytes - tail_.size());
    tail_ += chunk.substr(0, take);
    chunk.remove_prefix(take);
    if (tail_.size() < kBufferBytes) return;
    size_t cut = gpt2_safe_cut(tail_);
    if (cut == 0) cut = complete_utf8(tail_);
    count_pieces(std::string_view(tail_).substr(0, cut));
    tail_.erase(0, cut);
  }
}

void BpeTrainer::end_document() {
  count_pieces(tail_);
  tail_.clear();
}

void BpeTrainer::count_pieces(std::string_view text) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = gpt2_piece_end(text, begin);
    for (size_t at = begin; at < end; at += kMaxWordBytes)
      count_word(text.substr(at, std::min(kMaxWordBytes, end - at)));
    begin = end;
  }
}

void BpeTrainer::count_word(std::string_view word) {
  if (const auto found = counts_.find(word); found != counts_.end()) {
    ++found->second;
    return;
  }
  counts_.emplace(word, 1);
  if (counts_.size() > max_words_) forget_rare_words();
}

void BpeTrainer::forget_rare_words() {
  std::map<int64_t, size_t> words_with_count;
  for (const auto& [word, count] : counts_)
    ++words_with_count[count];
  size_t left = counts_.size();
  int64_t threshold = 0;
  for (const auto& [count, words] : words_with_count) {
    if (left <= max_words_ / 2) break;
    left -= words;
    threshold = count;
  }
  std::erase_if(counts_, [&](const auto& entry) { return entry.second <= threshold; });
}

Tokenizer BpeTrainer::train(int vocabulary_size, const Progress& progress) {
  if (vocabulary_size < 257 || vocabulary_size > kMaxVocabulary)
    throw Error(ErrorKind::kUsage, "",
                fmt::format("a BPE vocabulary of {} tokens", vocabulary_size),
                fmt::format("choose from 257 (bytes and end of text) to {}", kMaxVocabulary));
  end_document();
  if (counts_.empty())
    throw Error(ErrorKind::kData, "", "no text to train a vocabulary on",
                "give a text that is not empty");
  const auto report = [&](int done) {
    if (progress) progress(done, vocabulary_size);
  };
  size_t bytes = 0;
  for (const auto& [word, count] : counts_)
    bytes += word.size();
  MergeLearner learner(counts_.size(), bytes);
  for (const auto& [word, count] : counts_)
    learner.add_word(word, count);
  learner.learn(static_cast<size_t>(vocabulary_size) - 1, report);
  BpeParts parts = learner.take();
  parts.end_of_text = static_cast<Token>(parts.pieces.size());
  parts.added.push_back({parts.end_of_text, std::string(kEndOfText), true});
  parts.pieces.emplace_back();
  Tokenizer tokenizer = Tokenizer::from_bpe(std::move(parts));
  report(tokenizer.vocabulary_size());
  return tokenizer;
}

}  // namespace cllm
