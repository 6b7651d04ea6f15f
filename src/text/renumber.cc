#include "text/renumber.h"

#include <vector>

#include "base/check.h"
#include "text/utf8.h"

namespace cllm {
namespace {

void check_permutation(std::span<const Token> ids) {
  std::vector<bool> taken(ids.size());
  for (const Token id : ids) {
    CHECK_MSG(id >= 0 && id < std::ssize(ids) && !taken[static_cast<size_t>(id)],
              "id {} of {} is no place of its own", id, ids.size());
    taken[static_cast<size_t>(id)] = true;
  }
}

Tokenizer renumbered_characters(const Tokenizer& tokenizer, std::span<const Token> new_ids) {
  CHECK_EQ(new_ids[static_cast<size_t>(tokenizer.end_of_text())], tokenizer.end_of_text());
  std::vector<char32_t> code_points(new_ids.size() - 1);
  for (size_t id = 0; id < code_points.size(); ++id)
    code_points[static_cast<size_t>(new_ids[id])] =
        decode_utf8(tokenizer.bytes_of(static_cast<Token>(id)), 0).code_point;
  return Tokenizer::from_ordered_characters(code_points);
}

Tokenizer renumbered_bpe(const Tokenizer& tokenizer, std::span<const Token> new_ids) {
  const auto moved = [&](Token id) { return id < 0 ? id : new_ids[static_cast<size_t>(id)]; };
  BpeParts parts;
  parts.pieces.resize(new_ids.size());
  for (size_t id = 0; id < new_ids.size(); ++id)
    parts.pieces[static_cast<size_t>(new_ids[id])] = tokenizer.bytes_of(static_cast<Token>(id));
  for (AddedToken token : tokenizer.added_tokens()) {
    token.id = moved(token.id);
    parts.pieces[static_cast<size_t>(token.id)].clear();  // text is not made of it
    parts.added.push_back(std::move(token));
  }
  for (const auto& [left, right] : tokenizer.merges())
    parts.merges.emplace_back(moved(left), moved(right));
  parts.whole_pieces = tokenizer.whole_pieces();
  parts.end_of_text = moved(tokenizer.end_of_text());
  return Tokenizer::from_bpe(std::move(parts));
}

}  // namespace

Tokenizer renumbered(const Tokenizer& tokenizer, std::span<const Token> new_ids) {
  CHECK_MSG(std::ssize(new_ids) == tokenizer.vocabulary_size(), "{} ids for {} tokens",
            new_ids.size(), tokenizer.vocabulary_size());
  CHECK(tokenizer.kind() != TokenizerKind::kByte);
  check_permutation(new_ids);
  return tokenizer.kind() == TokenizerKind::kBpe ? renumbered_bpe(tokenizer, new_ids)
                                                 : renumbered_characters(tokenizer, new_ids);
}

}  // namespace cllm
