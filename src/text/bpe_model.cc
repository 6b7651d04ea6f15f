#include "text/bpe_model.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

constexpr const char* kHint = "restore the file or export the tokenizer again";

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw Error(ErrorKind::kData, where, what, kHint);
}

// A linked list of symbols and a min-heap of (rank, position). An entry is stale when the rank at
// its position has changed since; it is dropped when it comes up.
class LongMerger {
 public:
  LongMerger(const MergeTable& table, BpeModel::Scratch& scratch, uint32_t end)
      : table_(table), s_(scratch), end_(end) {
    s_.next.resize(end);
    s_.previous.resize(end);
    s_.rank.resize(end);
    s_.heap.clear();
    for (uint32_t i = 0; i < end; ++i) {
      s_.next[i] = i + 1;
      s_.previous[i] = i - 1;
    }
  }

  void run() {
    for (uint32_t i = 0; i < end_; ++i)
      if (rank_pair_at(i)) s_.heap.push_back(entry_at(i));
    std::make_heap(s_.heap.begin(), s_.heap.end(), std::greater<>());
    while (!s_.heap.empty()) {
      std::pop_heap(s_.heap.begin(), s_.heap.end(), std::greater<>());
      const uint64_t entry = s_.heap.back();
      s_.heap.pop_back();
      const auto at = static_cast<uint32_t>(entry);
      if (s_.rank[at] == static_cast<uint32_t>(entry >> 32)) merge_at(at);
    }
  }

 private:
  uint64_t entry_at(uint32_t i) const { return static_cast<uint64_t>(s_.rank[i]) << 32 | i; }

  bool rank_pair_at(uint32_t i) {
    const uint32_t next = s_.next[i];
    s_.rank[i] = next < end_ ? table_.find(s_.ids[i], s_.ids[next]).rank : MergeTable::kNone;
    return s_.rank[i] != MergeTable::kNone;
  }

  void update(uint32_t i) {
    if (!rank_pair_at(i)) return;
    s_.heap.push_back(entry_at(i));
    std::push_heap(s_.heap.begin(), s_.heap.end(), std::greater<>());
  }

  void merge_at(uint32_t at) {
    const uint32_t gone = s_.next[at];
    s_.ids[at] = table_.find(s_.ids[at], s_.ids[gone]).merged;
    s_.rank[gone] = MergeTable::kNone;
    s_.next[at] = s_.next[gone];
    if (s_.next[at] < end_) s_.previous[s_.next[at]] = at;
    update(at);
    if (at > 0) update(s_.previous[at]);
  }

  const MergeTable& table_;
  BpeModel::Scratch& s_;
  uint32_t end_;
};

}  // namespace

MergeTable::MergeTable(size_t merges)
    : entries_(std::bit_ceil(2 * merges + 2)), shift_(64 - std::countr_zero(entries_.size())) {}

size_t MergeTable::slot(uint64_t key) const {
  size_t at = static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  while (entries_[at].key != key && entries_[at].rank != kNone)
    at = (at + 1) & (entries_.size() - 1);
  return at;
}

bool MergeTable::insert(Token left, Token right, uint32_t rank, Token merged) {
  Entry& entry = entries_[slot(key(left, right))];
  if (entry.rank != kNone) return false;
  entry = {key(left, right), rank, merged};
  return true;
}

BpeModel::BpeModel(std::vector<std::string> pieces, std::vector<Merge> merges, bool whole_pieces,
                   const std::string& where)
    : pieces_(std::move(pieces)),
      merges_(std::move(merges)),
      whole_pieces_(whole_pieces),
      table_(merges_.size()) {
  index_pieces(where);
  index_merges(where);
  if (!whole_pieces_) find_direct_pieces();
}

void BpeModel::index_pieces(const std::string& where) {
  token_of_byte_.fill(-1);
  direct_.reserve(pieces_.size());
  for (size_t id = 0; id < pieces_.size(); ++id) {
    const std::string& piece = pieces_[id];
    if (piece.empty()) continue;
    const auto token = static_cast<Token>(id);
    const auto [found, fresh] = direct_.emplace(piece, token);
    if (!fresh) fail(where, fmt::format("tokens {} and {} are the same bytes", found->second, id));
    if (piece.size() == 1) token_of_byte_[static_cast<uint8_t>(piece[0])] = token;
  }
  for (int byte = 0; byte < 256; ++byte)
    if (token_of_byte_[static_cast<size_t>(byte)] < 0)
      fail(where,
           fmt::format("the vocabulary has no token for byte {:#04x}: not a byte-level BPE that "
                       "can encode every text",
                       byte));
}

void BpeModel::index_merges(const std::string& where) {
  const auto is_piece = [&](Token token) {
    return token >= 0 && static_cast<size_t>(token) < pieces_.size() &&
           !pieces_[static_cast<size_t>(token)].empty();
  };
  std::string joined;
  for (size_t rank = 0; rank < merges_.size(); ++rank) {
    const auto [left, right] = merges_[rank];
    if (!is_piece(left) || !is_piece(right))
      fail(where, fmt::format("merge {} names a token that does not exist", rank));
    joined = pieces_[static_cast<size_t>(left)];
    joined += pieces_[static_cast<size_t>(right)];
    const auto found = direct_.find(joined);
    if (found == direct_.end())
      fail(where, fmt::format("the result of merge {} is not in the vocabulary", rank));
    if (!table_.insert(left, right, static_cast<uint32_t>(rank), found->second))
      fail(where, fmt::format("merge {} occurs twice", rank));
  }
}

// Keeps of direct_ only the pieces that the merges reach, so that the shortcut never changes a
// result. An unreachable piece (an added word, or one that other merges always break up) has no
// business there.
void BpeModel::find_direct_pieces() {
  Scratch scratch;
  std::vector<Token> tokens;
  std::unordered_map<std::string_view, Token> reached;
  reached.reserve(direct_.size());
  direct_.swap(reached);
  for (const auto& [piece, token] : reached) {
    tokens.clear();
    if (piece.size() <= kShort)
      encode_short(piece, tokens);
    else
      encode_long(piece, scratch, tokens);
    if (tokens.size() == 1 && tokens[0] == token) direct_.emplace(piece, token);
  }
}

void BpeModel::encode(std::string_view piece, Scratch& scratch, std::vector<Token>& out) const {
  if (const auto found = direct_.find(piece); found != direct_.end()) {
    out.push_back(found->second);
    return;
  }
  if (piece.size() <= kShort)
    encode_short(piece, out);
  else
    encode_long(piece, scratch, out);
}

// Quadratic, on the stack; for the length of ordinary words faster than any list.
void BpeModel::encode_short(std::string_view piece, std::vector<Token>& out) const {
  std::array<Token, kShort> ids;
  std::array<uint32_t, kShort> ranks;
  size_t count = piece.size();
  for (size_t i = 0; i < count; ++i)
    ids[i] = token_of_byte_[static_cast<uint8_t>(piece[i])];
  for (size_t i = 0; i + 1 < count; ++i)
    ranks[i] = table_.find(ids[i], ids[i + 1]).rank;
  while (count > 1) {
    const auto lowest = std::min_element(ranks.begin(), ranks.begin() + count - 1);
    if (*lowest == MergeTable::kNone) break;
    const auto at = static_cast<size_t>(lowest - ranks.begin());
    ids[at] = table_.find(ids[at], ids[at + 1]).merged;
    std::copy(ids.begin() + at + 2, ids.begin() + count, ids.begin() + at + 1);
    std::copy(ranks.begin() + at + 1, ranks.begin() + count - 1, ranks.begin() + at);
    --count;
    if (at > 0) ranks[at - 1] = table_.find(ids[at - 1], ids[at]).rank;
    if (at + 1 < count) ranks[at] = table_.find(ids[at], ids[at + 1]).rank;
  }
  out.insert(out.end(), ids.begin(), ids.begin() + count);
}

void BpeModel::encode_long(std::string_view piece, Scratch& scratch,
                           std::vector<Token>& out) const {
  if (piece.size() >= (size_t{1} << 31))
    throw Error(ErrorKind::kData, "",
                fmt::format("a run of {} bytes without a break", piece.size()),
                "cut the text into shorter documents");
  const auto end = static_cast<uint32_t>(piece.size());
  scratch.ids.resize(end);
  for (uint32_t i = 0; i < end; ++i)
    scratch.ids[i] = token_of_byte_[static_cast<uint8_t>(piece[i])];
  LongMerger(table_, scratch, end).run();
  for (uint32_t i = 0; i < end; i = scratch.next[i])
    out.push_back(scratch.ids[i]);
}

}  // namespace cllm
