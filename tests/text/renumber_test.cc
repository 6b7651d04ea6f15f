#include "text/renumber.h"

#include "text/text_test_files.h"

namespace cllm {
namespace {

// A word that is always one token lies before the end of text.
Tokenizer with_an_added_word() {
  BpeParts parts = small_bpe_parts({{"h", "e"}, {" ", "t"}, {" t", "he"}, {"l", "l"}});
  const auto size = static_cast<Token>(parts.pieces.size());
  parts.added = {{size - 1, "hello", false}, {size, std::string(kEndOfText), true}};
  parts.pieces.emplace_back();
  parts.end_of_text = size;
  return Tokenizer::from_bpe(parts);
}

// Every id but that of the end of text moves; merges keep their rank.
TEST(Renumber, GivesOtherIdsToTheSameTokens) {
  const Tokenizer characters = Tokenizer::from_characters({'h', 'e', ' ', 't', 'l', 'o'});
  for (const Tokenizer& tokenizer : {with_an_added_word(), characters}) {
    std::vector<Token> ids;
    for (Token id = 0; id < tokenizer.vocabulary_size() - 1; ++id)
      ids.push_back(tokenizer.vocabulary_size() - 2 - id);
    ids.push_back(tokenizer.end_of_text());
    const Tokenizer moved = renumbered(tokenizer, ids);
    std::vector<Token> expected;
    for (const Token token : encode(tokenizer, "the hello"))
      expected.push_back(ids[static_cast<size_t>(token)]);
    EXPECT_EQ(encode(moved, "the hello"), expected);
    EXPECT_EQ(moved.decode(expected), "the hello");
    EXPECT_EQ(moved.end_of_text(), tokenizer.end_of_text());
    EXPECT_NE(moved.hash(), tokenizer.hash());
    EXPECT_EQ(renumbered(moved, ids).hash(), tokenizer.hash()) << "this permutation undoes itself";
    std::vector<Token> with_end;
    moved.encode_with_special_tokens("e<|endoftext|>", with_end);
    EXPECT_EQ(with_end.back(), moved.end_of_text());
  }
}

TEST(RenumberDeathTest, TakesAPermutation) {
  const Tokenizer tokenizer = Tokenizer::from_characters({'a', 'b'});
  EXPECT_DEATH(renumbered(tokenizer, std::vector<Token>{0, 0, 2}), "no place of its own");
  EXPECT_DEATH(renumbered(tokenizer, std::vector<Token>{0, 1}), "2 ids for 3 tokens");
  EXPECT_DEATH(renumbered(tokenizer, std::vector<Token>{2, 1, 0}), "");
}

}  // namespace
}  // namespace cllm
