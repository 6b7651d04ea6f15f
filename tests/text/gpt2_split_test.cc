#include "text/gpt2_split.h"

#include "text/text_test_files.h"

namespace cllm {
namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = gpt2_piece_end(text, begin);
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

using Pieces = std::vector<std::string>;

// Each expectation follows from the regular expression in gpt2_split.h.
TEST(Gpt2Split, WordsNumbersAndSigns) {
  EXPECT_EQ(split("Hello world"), (Pieces{"Hello", " world"}));
  EXPECT_EQ(split("abc123def"), (Pieces{"abc", "123", "def"}));
  EXPECT_EQ(split("a, b... (c)"), (Pieces{"a", ",", " b", "...", " (", "c", ")"}));
  EXPECT_EQ(split("x\u00b2 \u00bd"), (Pieces{"x", "\u00b2", " \u00bd"}));
  EXPECT_EQ(split("e\u0301t"), (Pieces{"e", "\u0301", "t"}));
  EXPECT_EQ(split(""), Pieces{});
}

TEST(Gpt2Split, Contractions) {
  EXPECT_EQ(split("I'll he's don't we've 'RE"),
            (Pieces{"I", "'ll", " he", "'s", " don", "'t", " we", "'ve", " '", "RE"}));
  EXPECT_EQ(split("'sword"), (Pieces{"'s", "word"}));
  EXPECT_EQ(split("'l'v"), (Pieces{"'", "l", "'", "v"}));
  EXPECT_EQ(split("''s"), (Pieces{"''", "s"}));
  EXPECT_EQ(split("'"), (Pieces{"'"}));
  EXPECT_EQ(split("'r"), (Pieces{"'", "r"}));
}

TEST(Gpt2Split, WhiteSpaceLeavesItsLastCharacter) {
  EXPECT_EQ(split("a  b"), (Pieces{"a", " ", " b"}));
  EXPECT_EQ(split("a   "), (Pieces{"a", "   "}));
  EXPECT_EQ(split(" "), (Pieces{" "}));
  EXPECT_EQ(split("a\nb"), (Pieces{"a", "\n", "b"}));
  EXPECT_EQ(split("a\n\nb"), (Pieces{"a", "\n", "\n", "b"}));
  EXPECT_EQ(split("a \n b"), (Pieces{"a", " \n", " b"}));
  EXPECT_EQ(split("a\u3000\u3000b"), (Pieces{"a", "\u3000", "\u3000", "b"}));
  EXPECT_EQ(split("a \u00a0b"), (Pieces{"a", " ", "\u00a0", "b"}));
  EXPECT_EQ(split("\u200bx"), (Pieces{"\u200b", "x"}));
}

TEST(Gpt2Split, InvalidBytesAreSigns) {
  EXPECT_EQ(split("a\xFF\xFE b"), (Pieces{"a", "\xFF\xFE", " b"}));
  EXPECT_EQ(split(" \x80!"), (Pieces{" \x80!"}));
  EXPECT_EQ(split("a\xE2\x82"), (Pieces{"a", "\xE2\x82"}));
}

// A cut must not change the pieces, whatever follows. Texts are drawn from characters that make
// trouble.
TEST(Gpt2Split, SafeCutChangesNothing) {
  const std::vector<std::string> alphabet = {" ",      "\n",     "a",    "1",      "'",
                                             "s",      "l",      ".",    "\t",     "\xE2",
                                             "\u3000", "\u00e9", "\x80", "\u0085", "\xC2"};
  PhiloxSequence random(Philox(5, RandomStream::kTest), 0);
  int cuts = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text, more;
    for (uint64_t i = random.below(12) + 1; i-- > 0;)
      text += alphabet[random.below(alphabet.size())];
    for (uint64_t i = random.below(4); i-- > 0;)
      more += alphabet[random.below(alphabet.size())];
    const size_t cut = gpt2_safe_cut(text);
    ASSERT_LT(cut, text.size());
    cuts += cut > 0;
    Pieces halves = split(text.substr(0, cut));
    const Pieces rest = split(text.substr(cut) + more);
    halves.insert(halves.end(), rest.begin(), rest.end());
    ASSERT_EQ(halves, split(text + more)) << testing::PrintToString(text + more) << " at " << cut;
  }
  EXPECT_GT(cuts, 5000);
}

TEST(Gpt2Split, SafeCutFindsTheLastSpace) {
  EXPECT_EQ(gpt2_safe_cut("one two three"), 7u);
  EXPECT_EQ(gpt2_safe_cut("one two   "), 7u);
  EXPECT_EQ(gpt2_safe_cut("onetwo"), 0u);
  EXPECT_EQ(gpt2_safe_cut(" one"), 0u);
  EXPECT_EQ(gpt2_safe_cut(""), 0u);
}

}  // namespace
}  // namespace cllm
