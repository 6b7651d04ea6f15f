#include "text/bpe_model.h"

#include <chrono>
#include <optional>

#include "text/text_test_files.h"

namespace cllm {
namespace {

std::vector<Token> encode_piece(const BpeModel& model, std::string_view piece) {
  BpeModel::Scratch scratch;
  std::vector<Token> tokens;
  model.encode(piece, scratch, tokens);
  return tokens;
}

// The definition: while some pair merges, merge the leftmost pair of lowest rank.
std::vector<Token> encode_naive(const BpeModel& model, std::string_view piece) {
  std::vector<std::string> parts;
  for (const char byte : piece)
    parts.emplace_back(1, byte);
  for (;;) {
    std::optional<size_t> best;
    size_t best_rank = model.merges().size();
    for (size_t i = 0; i + 1 < parts.size(); ++i)
      for (size_t rank = 0; rank < best_rank; ++rank) {
        const auto [left, right] = model.merges()[rank];
        if (model.pieces()[left] == parts[i] && model.pieces()[right] == parts[i + 1]) {
          best = i;
          best_rank = rank;
        }
      }
    if (!best) break;
    parts[*best] += parts[*best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(*best) + 1);
  }
  std::vector<Token> tokens;
  for (const std::string& part : parts)
    for (size_t id = 0; id < model.pieces().size(); ++id)
      if (model.pieces()[id] == part) tokens.push_back(static_cast<Token>(id));
  return tokens;
}

// Merges out of order, pieces that two merges spell, and one ("bcd") that no text reaches.
BpeParts tricky_parts() {
  return small_bpe_parts({{"a", "b"},
                          {"b", "c"},
                          {"c", "d"},
                          {"ab", "cd"},
                          {"a", "a"},
                          {"aa", "aa"},
                          {"bc", "d"},
                          {"a", "bc"},
                          {"ab", "c"},
                          {"b", "cd"},
                          {"aaaa", "aaaa"}});
}

TEST(BpeModel, EqualsTheDefinition) {
  const BpeParts parts = tricky_parts();
  const BpeModel model(parts.pieces, parts.merges, false, "");
  PhiloxSequence random(Philox(7, RandomStream::kTest), 0);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    // Both sides of the length where the method changes.
    for (uint64_t i = random.below(80) + 1; i-- > 0;)
      text += static_cast<char>('a' + random.below(4));
    ASSERT_EQ(encode_piece(model, text), encode_naive(model, text)) << text;
  }
  for (const std::string& piece : parts.pieces)
    if (!piece.empty()) {
      ASSERT_EQ(encode_piece(model, piece), encode_naive(model, piece)) << piece;
    }
}

TEST(BpeModel, WholePiecesAreNotCut) {
  BpeParts parts = small_bpe_parts({{"a", "b"}});
  const auto word = static_cast<Token>(parts.pieces.size());
  parts.pieces.emplace_back("word");
  EXPECT_EQ(encode_piece(BpeModel(parts.pieces, parts.merges, true, ""), "word"),
            std::vector<Token>{word});
  EXPECT_EQ(encode_piece(BpeModel(parts.pieces, parts.merges, false, ""), "word"),
            (std::vector<Token>{'w', 'o', 'r', 'd'}));
}

// n log n: a megabyte takes a fraction of a second, where a quadratic method takes minutes. The
// limit has a wide margin for sanitizers and busy machines.
TEST(BpeModel, LongRunsAreFast) {
  const BpeParts parts = tricky_parts();
  const BpeModel model(parts.pieces, parts.merges, false, "");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(encode_piece(model, std::string(1 << 20, 'a')).size(), (1u << 20) / 8);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(seconds.count(), 20);
}

TEST(BpeModel, RefusesPartsThatDoNotFit) {
  const auto refused = [](const BpeParts& parts) {
    return error_of(ErrorKind::kData,
                    [&] { BpeModel model(parts.pieces, parts.merges, false, "file.json"); });
  };
  const BpeParts good = small_bpe_parts({{"a", "b"}});
  BpeParts parts = good;
  parts.pieces['a'] = "xyz";
  EXPECT_NE(refused(parts).find("byte 0x61"), std::string::npos);
  parts = good;
  parts.pieces.emplace_back("a");
  EXPECT_NE(refused(parts).find("same bytes"), std::string::npos);
  for (const Token bad : {-1, 258, 100000, 257}) {  // 257 is the added token
    parts = good;
    parts.merges.emplace_back(bad, 'a');
    EXPECT_NE(refused(parts).find("merge 1 names"), std::string::npos);
  }
  parts = good;
  parts.merges.emplace_back('a', 'c');
  EXPECT_NE(refused(parts).find("not in the vocabulary"), std::string::npos);
  parts = good;
  parts.merges.emplace_back('a', 'b');
  const std::string line = refused(parts);
  EXPECT_NE(line.find("merge 1 occurs twice"), std::string::npos);
  EXPECT_EQ(line.find("file.json: "), 0u);
}

}  // namespace
}  // namespace cllm
