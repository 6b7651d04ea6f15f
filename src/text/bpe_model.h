// Byte-pair merges on one pre-token: the inner loop of the BPE tokenizer, without JSON, splitting
// or special tokens. Sennrich, Haddow, Birch 2016 with GPT-2's rule: always the pair of lowest
// rank, the leftmost one first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/token.h"

namespace cllm {

// Two adjacent tokens that become one. A merge's place in the list is its rank.
using Merge = std::pair<Token, Token>;

// Open-addressing map from a pair of tokens to what it becomes. Filled once, then read-only.
class MergeTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Entry {
    uint64_t key = UINT64_MAX;  // no pair has it: ids are >= 0
    uint32_t rank = kNone;
    Token merged = -1;
  };

  explicit MergeTable(size_t merges);
  // False if the pair is already there.
  bool insert(Token left, Token right, uint32_t rank, Token merged);
  // rank kNone if the pair does not merge.
  const Entry& find(Token left, Token right) const { return entries_[slot(key(left, right))]; }

 private:
  static uint64_t key(Token left, Token right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot(uint64_t key) const;

  std::vector<Entry> entries_;
  int shift_;
};

// Immutable after construction; thread-safe.
class BpeModel {
 public:
  // pieces: raw bytes by id; "" marks an id that text never becomes (an added token). All 256
  // single bytes are there, pieces are distinct, and each merge names two pieces whose
  // concatenation is a piece: Error (kData) with `where` otherwise. whole_pieces: a pre-token that
  // is itself a piece is never cut
  // ("ignore_merges" of tokenizer.json).
  BpeModel(std::vector<std::string> pieces, std::vector<Merge> merges, bool whole_pieces,
           const std::string& where);

  BpeModel(const BpeModel&) = delete;
  BpeModel& operator=(const BpeModel&) = delete;

  // Working memory for long pre-tokens; one per thread and call.
  struct Scratch {
    std::vector<Token> ids;
    std::vector<uint32_t> next, previous, rank;
    std::vector<uint64_t> heap;
  };

  // Appends the tokens of one pre-token. O(n log n) for n bytes; no allocation up to kShort bytes
  // beyond the growth of `out`. Error (kData) above 2^31 bytes.
  void encode(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const;

  const std::vector<std::string>& pieces() const { return pieces_; }
  const std::vector<Merge>& merges() const { return merges_; }
  bool whole_pieces() const { return whole_pieces_; }

 private:
  static constexpr size_t kShort = 48;

  void index_pieces(const std::string& where);
  void index_merges(const std::string& where);
  void find_direct_pieces();
  void encode_short(std::string_view piece, std::vector<Token>& out) const;
  void encode_long(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const;

  std::vector<std::string> pieces_;
  std::vector<Merge> merges_;
  bool whole_pieces_;
  std::array<Token, 256> token_of_byte_{};
  MergeTable table_;
  // First all pieces, then only those that encode to themselves: most words of a text are found
  // here without a merge. Keys point into pieces_.
  std::unordered_map<std::string_view, Token> direct_;
};

}  // namespace cllm
