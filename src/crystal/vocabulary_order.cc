#include "crystal/vocabulary_order.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <unordered_map>

#include "base/check.h"
#include "number/ulam.h"
#include "text/renumber.h"

namespace cllm {
namespace {

// The permutation that undoes one.
std::vector<Token> inverse(std::span<const Token> permutation) {
  std::vector<Token> result(permutation.size());
  for (size_t i = 0; i < permutation.size(); ++i)
    result[static_cast<size_t>(permutation[i])] = static_cast<Token>(i);
  return result;
}

// 0 ... size - 1, sorted by before(a, b), then by themselves.
template <class Before>
std::vector<Token> sorted_ids(size_t size, Before before) {
  std::vector<Token> ids(size);
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), before);
  return ids;
}

// Ranks 0 ... size - 1 as their cells are read.
std::vector<Token> spiral_ranks(size_t size) {
  std::vector<number::Point> cells;
  for (size_t rank = 0; rank < size; ++rank)
    cells.push_back(number::ulam_point(rank + 1));
  return sorted_ids(size, [&](Token a, Token b) {
    const number::Point &p = cells[static_cast<size_t>(a)], &q = cells[static_cast<size_t>(b)];
    return p.y != q.y ? p.y > q.y : p.x < q.x;
  });
}

// By id: where the piece of a BPE token stands among bytes, then merges by rank; V where it is
// neither.
std::vector<Token> bpe_places(const Tokenizer& tokenizer) {
  const Token V = tokenizer.vocabulary_size();
  std::unordered_map<std::string_view, Token> ids;
  for (Token id = 0; id < V; ++id)
    if (!tokenizer.bytes_of(id).empty()) ids.emplace(tokenizer.bytes_of(id), id);
  std::vector<Token> places(static_cast<size_t>(V), V);
  for (const auto& [piece, id] : ids)
    if (piece.size() == 1) places[static_cast<size_t>(id)] = static_cast<uint8_t>(piece[0]);
  Token next = 256;
  std::string piece;
  for (const auto& [left, right] : tokenizer.merges()) {
    piece = tokenizer.bytes_of(left);
    piece += tokenizer.bytes_of(right);
    Token& place = places[static_cast<size_t>(ids.at(piece))];
    if (place == V) place = next++;
  }
  return places;
}

// Whether every token but the last is a byte, each of them once, or made by a merge.
bool is_made_bpe(const Tokenizer& tokenizer, std::span<const Token> places) {
  const size_t V = places.size();
  if (tokenizer.added_tokens().size() != 1 || tokenizer.whole_pieces()) return false;
  std::vector<bool> bytes(256);
  for (const Token place : places)
    if (place < 256) bytes[static_cast<size_t>(place)] = true;
  return std::ranges::find(bytes, false) == bytes.end() &&
         std::ranges::count(places, static_cast<Token>(V)) == 1;
}

}  // namespace

std::vector<Token> vocabulary_order(VocabularyOrder order, std::span<const int64_t> counts) {
  std::vector<Token> ids(counts.size());  // the old id at every new one
  std::iota(ids.begin(), ids.end(), 0);
  if (order == VocabularyOrder::kIdentity) return ids;
  ids = sorted_ids(counts.size(), [&](Token a, Token b) {
    return counts[static_cast<size_t>(a)] > counts[static_cast<size_t>(b)];
  });
  if (order == VocabularyOrder::kUlam) {
    std::vector<Token> spiral = spiral_ranks(counts.size());
    for (Token& rank : spiral)
      rank = ids[static_cast<size_t>(rank)];
    ids = std::move(spiral);
  }
  return inverse(ids);
}

Tokenizer with_order(const Tokenizer& made, VocabularyOrder order,
                     std::span<const int64_t> counts) {
  const int V = made.vocabulary_size();
  CHECK_MSG(std::ssize(counts) == V && made.end_of_text() == V - 1, "{} counts, {} of {} ends",
            counts.size(), made.end_of_text(), V);
  std::vector<Token> ids = vocabulary_order(order, counts.first(counts.size() - 1));
  ids.push_back(made.end_of_text());
  return renumbered(made, ids);
}

std::vector<Token> made_ids(const Tokenizer& tokenizer) {
  const auto V = static_cast<size_t>(tokenizer.vocabulary_size());
  CHECK_EQ(tokenizer.end_of_text(), tokenizer.vocabulary_size() - 1);
  std::vector<Token> ids;  // as they were made
  if (tokenizer.kind() == TokenizerKind::kBpe) {
    const std::vector<Token> places = bpe_places(tokenizer);
    ids = sorted_ids(V, [&](Token a, Token b) {
      return places[static_cast<size_t>(a)] < places[static_cast<size_t>(b)];
    });
  } else {
    // The bytes of UTF-8 are in the order of code points; end of text has none.
    ids = sorted_ids(
        V - 1, [&](Token a, Token b) { return tokenizer.bytes_of(a) < tokenizer.bytes_of(b); });
    ids.push_back(tokenizer.end_of_text());
  }
  return inverse(ids);
}

std::vector<Token> ids_to_restore(const Tokenizer& tokenizer) {
  const Token V = tokenizer.vocabulary_size();
  if (tokenizer.kind() == TokenizerKind::kByte || tokenizer.end_of_text() != V - 1) return {};
  Token settled = 0;  // ids from here on must be out of order
  if (tokenizer.kind() == TokenizerKind::kBpe) {
    if (!is_made_bpe(tokenizer, bpe_places(tokenizer))) return {};
    settled = 256;
  }
  std::vector<Token> made = made_ids(tokenizer);
  for (Token id = settled; id < V; ++id)
    if (made[static_cast<size_t>(id)] != id) return made;
  return {};
}

void place_token_rows(const Transformer& model, std::span<const Token> origins, float* weights) {
  // Those beyond the tokenizer's (model.vocabulary_size) stay where they are.
  const auto rows = std::ssize(origins);
  // The rows of codes belong to no token.
  const Parameter* const own = model.codes() ? nullptr : &model.token_table();
  for (const Parameter* table : {own, model.parameters().find("head.weight")}) {
    if (table == nullptr) continue;
    CHECK_MSG(table->shape[0] >= rows, "{} rows of {}", rows, table->shape[0]);
    const int64_t C = table->count / table->shape[0];
    float* values = weights + table->offset;
    const std::vector<float> fresh(values, values + rows * C);
    for (int64_t row = 0; row < rows; ++row)
      std::copy_n(fresh.data() + origins[static_cast<size_t>(row)] * C, C, values + row * C);
  }
}

void restore_token_rows(const Transformer& model, std::span<const Token> made, float* weights) {
  place_token_rows(model, inverse(made), weights);
}

}  // namespace cllm
