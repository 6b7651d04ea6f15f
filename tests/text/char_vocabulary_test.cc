#include "text/char_vocabulary.h"

#include "text/text_test_files.h"

namespace cllm {
namespace {

TEST(CharVocabulary, ChunksMaySplitCharacters) {
  const std::string text = "na\u00efve \u20ac\U0001F600\n";
  CharVocabularyBuilder builder;
  for (const char byte : text)
    builder.add(std::string_view(&byte, 1));
  const Tokenizer tokenizer = builder.build();
  EXPECT_EQ(tokenizer.vocabulary_size(), 10);  // nine characters and end of text
  EXPECT_EQ(tokenizer.decode(encode(tokenizer, text)), text);
}

TEST(CharVocabulary, InvalidUtf8NamesThePlace) {
  CharVocabularyBuilder builder;
  builder.add("one\ntwo\n", "a.txt");
  const std::string line = error_of(ErrorKind::kData, [&] { builder.add("x\xFFy", "a.txt"); });
  EXPECT_EQ(line.find("a.txt:3: invalid UTF-8 at byte 9; "), 0u) << line;
}

TEST(CharVocabulary, ACutCharacterAtTheEndIsAnError) {
  CharVocabularyBuilder builder;
  builder.add("ab\xE2\x82", "a.txt");
  const std::string line = error_of(ErrorKind::kData, [&] { builder.end_document(); });
  EXPECT_EQ(line.find("a.txt:1: invalid UTF-8 at byte 2; "), 0u) << line;
  CharVocabularyBuilder empty;
  error_of(ErrorKind::kData, [&] { empty.build(); });
}

}  // namespace
}  // namespace cllm
