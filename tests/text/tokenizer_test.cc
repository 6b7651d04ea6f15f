#include "text/tokenizer.h"

#include <algorithm>

#include "text/text_test_files.h"

namespace cllm {
namespace {

Tokenizer small_bpe() {
  return Tokenizer::from_bpe(small_bpe_parts(
      {{"h", "e"}, {" ", "t"}, {" t", "he"}, {"l", "l"}, {"he", "ll"}, {"\xC3", "\xA9"}}));
}

std::vector<Tokenizer> every_byte_tokenizers() {
  return {Tokenizer::byte(), small_bpe()};
}

TEST(Tokenizer, SmallBpeByHand) {
  // 256 he, 257 " t", 258 " the", 259 ll, 260 hell, 261 é, 262 <|endoftext|>
  const Tokenizer tokenizer = small_bpe();
  EXPECT_EQ(tokenizer.vocabulary_size(), 263);
  EXPECT_EQ(tokenizer.end_of_text(), 262);
  EXPECT_EQ(encode(tokenizer, "the hello"), (std::vector<Token>{'t', 256, ' ', 260, 'o'}));
  EXPECT_EQ(encode(tokenizer, "to the the"), (std::vector<Token>{'t', 'o', 258, 258}));
  EXPECT_EQ(encode(tokenizer, "caf\u00e9"), (std::vector<Token>{'c', 'a', 'f', 261}));
  EXPECT_EQ(encode(tokenizer, ""), std::vector<Token>{});
}

TEST(Tokenizer, EveryByteSequenceRoundTrips) {
  PhiloxSequence random(Philox(11, RandomStream::kTest), 0);
  for (const Tokenizer& tokenizer : every_byte_tokenizers()) {
    const auto check = [&](const std::string& text) {
      ASSERT_EQ(tokenizer.decode(encode(tokenizer, text)), text) << testing::PrintToString(text);
    };
    for (int a = 0; a < 256; ++a) {
      check(std::string(1, static_cast<char>(a)));
      for (int b = 0; b < 256; ++b)
        check({static_cast<char>(a), static_cast<char>(b)});
    }
    for (int round = 0; round < 500; ++round)
      check(random_bytes(random, random.below(300)));
  }
}

TEST(Tokenizer, EncodeAppends) {
  std::vector<Token> tokens = {1, 2};
  Tokenizer::byte().encode("a", tokens);
  EXPECT_EQ(tokens, (std::vector<Token>{1, 2, 'a'}));
}

TEST(Tokenizer, SpecialTokensOnlyWhenAsked) {
  for (const Tokenizer& tokenizer : every_byte_tokenizers()) {
    const std::string text = "a<|endoftext|><|endoftext|>b<|end";
    const std::vector<Token> plain = encode(tokenizer, text);
    EXPECT_EQ(std::count(plain.begin(), plain.end(), tokenizer.end_of_text()), 0);
    EXPECT_EQ(tokenizer.decode(plain), text);
    std::vector<Token> special;
    tokenizer.encode_with_special_tokens(text, special);
    EXPECT_EQ(special, (std::vector<Token>{'a', tokenizer.end_of_text(), tokenizer.end_of_text(),
                                           'b', '<', '|', 'e', 'n', 'd'}));
    EXPECT_EQ(tokenizer.decode(special), "ab<|end");
  }
}

TEST(Tokenizer, AddedWordsAreAlwaysOneToken) {
  BpeParts parts = small_bpe_parts({});
  parts.added.push_back({257, "  ", false});
  parts.added.push_back({258, "    ", false});
  parts.pieces.resize(259);
  const Tokenizer tokenizer = Tokenizer::from_bpe(parts);
  EXPECT_EQ(encode(tokenizer, "a      b"), (std::vector<Token>{'a', 258, 257, 'b'}));
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{'a', 258, 257, 'b'}), "a      b");
  EXPECT_EQ(tokenizer.safe_cut("a b c"), 0u);
}

TEST(Tokenizer, SafeCutJoins) {
  const Tokenizer characters = Tokenizer::from_characters({'a', 'b', ' ', 0xE9, 0x20AC});
  const std::string text = "a b \u00e9\u20ac ab  b\u20ac";
  for (const Tokenizer& tokenizer : {Tokenizer::byte(), small_bpe(), characters})
    for (size_t end = 0; end <= text.size(); ++end) {
      const size_t cut = tokenizer.safe_cut(std::string_view(text).substr(0, end));
      std::vector<Token> tokens = encode(tokenizer, text.substr(0, cut));
      tokenizer.encode(std::string_view(text).substr(cut), tokens);
      EXPECT_EQ(tokens, encode(tokenizer, text)) << end;
    }
}

TEST(Tokenizer, CharactersSortedAndRefused) {
  const Tokenizer tokenizer = Tokenizer::from_characters({'b', '\n', 0x20AC, 'a', 'b'});
  EXPECT_EQ(tokenizer.vocabulary_size(), 5);
  EXPECT_EQ(tokenizer.end_of_text(), 4);
  EXPECT_EQ(encode(tokenizer, "ab\u20ac\n"), (std::vector<Token>{1, 2, 3, 0}));
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{3, 4, 1}), "\u20aca");
  std::vector<Token> tokens;
  TextPlace place{"book.txt", 100, 7};
  std::string line =
      error_of(ErrorKind::kData, [&] { tokenizer.encode("a\na\u00e9", tokens, place); });
  EXPECT_EQ(
      line,
      "book.txt:8: character U+00E9 '\u00e9' at byte 103 is not in the char vocabulary; use a byte "
      "or bpe tokenizer, or rebuild the vocabulary with this text");
  line = error_of(ErrorKind::kData, [&] { tokenizer.encode("ab\xFF", tokens); });
  EXPECT_EQ(line.find("invalid UTF-8 (byte 0xff) at byte 2"), 0u) << line;
  error_of(ErrorKind::kData, [&] { tokenizer.encode("a\xE2\x82", tokens); });
  error_of(ErrorKind::kData, [&] { tokenizer.encode("\U0010FFFF", tokens); });
  error_of(ErrorKind::kData, [] { Tokenizer::from_characters({}); });
  error_of(ErrorKind::kData, [] { Tokenizer::from_characters({'a', 0xD800}); });
  error_of(ErrorKind::kData, [] { Tokenizer::from_characters({'a', 0xFFFFFFFF}); });
}

TEST(Tokenizer, CharactersInAnOrderOfTheirOwn) {
  const Tokenizer tokenizer = Tokenizer::from_ordered_characters({'b', 0x20AC, 'a'});
  EXPECT_EQ(tokenizer.vocabulary_size(), 4);
  EXPECT_EQ(tokenizer.end_of_text(), 3);
  EXPECT_EQ(encode(tokenizer, "ab\u20ac"), (std::vector<Token>{2, 0, 1}));
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{1, 3, 2}), "\u20aca");
  EXPECT_NE(tokenizer.hash(), Tokenizer::from_characters({'b', 0x20AC, 'a'}).hash());
  error_of(ErrorKind::kData, [] { Tokenizer::from_ordered_characters({'b', 'a', 'b'}); });
  error_of(ErrorKind::kData, [] { Tokenizer::from_ordered_characters({}); });
}

TEST(Tokenizer, DisplayIsPrintable) {
  const Tokenizer tokenizer = small_bpe();
  EXPECT_EQ(tokenizer.display('\n'), "\\n");
  EXPECT_EQ(tokenizer.display(0), "\\x00");
  EXPECT_EQ(tokenizer.display(0xC3), "\\xc3");
  EXPECT_EQ(tokenizer.display(258), " the");
  EXPECT_EQ(tokenizer.display(261), "\u00e9");
  EXPECT_EQ(tokenizer.display(262), "<|endoftext|>");
  EXPECT_EQ(tokenizer.bytes_of(262), "");
  EXPECT_EQ(tokenizer.bytes_of(258), " the");
}

TEST(Tokenizer, DecodeRefusesForeignIds) {
  for (const Token bad : {-1, 257, INT32_MAX})
    error_of(ErrorKind::kData, [&] { Tokenizer::byte().decode(std::vector<Token>{'a', bad}); });
}

// The numbers are stored in shards and checkpoints: they must never change.
TEST(Tokenizer, HashIsTheIdentityOfTheVocabulary) {
  EXPECT_EQ(Tokenizer::byte().hash(), Tokenizer::byte().hash());
  EXPECT_EQ(hash64_hex(Tokenizer::byte().hash()), "77ebd703539767cb");
  EXPECT_NE(small_bpe().hash(), Tokenizer::byte().hash());
  EXPECT_EQ(Tokenizer::from_bpe(small_bpe_parts({})).hash(), Tokenizer::byte().hash());
  EXPECT_NE(Tokenizer::from_bpe(small_bpe_parts({{"a", "b"}})).hash(),
            Tokenizer::from_bpe(small_bpe_parts({{"a", "c"}})).hash());
  EXPECT_NE(Tokenizer::from_characters({'a', 'b'}).hash(),
            Tokenizer::from_characters({'a', 'c'}).hash());
}

TEST(Tokenizer, RefusesAddedTokensThatDoNotFit) {
  const auto refused = [](const std::function<void(BpeParts&)>& change) {
    BpeParts parts = small_bpe_parts({{"a", "b"}});
    change(parts);
    return error_of(ErrorKind::kData, [&] { Tokenizer::from_bpe(parts, "x.json"); });
  };
  refused([](BpeParts& parts) { parts.added[0].id = 'a'; });
  refused([](BpeParts& parts) { parts.added[0].id = 258; });
  refused([](BpeParts& parts) { parts.added[0].id = -5; });
  refused([](BpeParts& parts) { parts.added[0].content = ""; });
  refused([](BpeParts& parts) { parts.added[0].content = "\xFF"; });
  refused([](BpeParts& parts) { parts.added[0].content = "ab"; });
  refused([](BpeParts& parts) { parts.added[0].special = false; });  // yet named end of text
  refused([](BpeParts& parts) { parts.end_of_text = 'a'; });
  refused([](BpeParts& parts) { parts.pieces.emplace_back(); });  // a gap
  refused([](BpeParts& parts) { parts.added.push_back(parts.added[0]); });
  refused([](BpeParts& parts) {
    parts.pieces.emplace_back();
    parts.added.push_back({258, std::string(kEndOfText), true});
  });
}

}  // namespace
}  // namespace cllm
