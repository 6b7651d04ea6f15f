#include "data/story_sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cllm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(StorySentences, SplitsAtTerminalsOutsideQuotes) {
  const SplitText split = split_sentences("Tom ran. Was it late? Yes! He slept.");
  EXPECT_THAT(split.sentences, ElementsAre("Tom ran.", "Was it late?", "Yes!", "He slept."));
  EXPECT_EQ(split.rest, "");
}

TEST(StorySentences, KeepsAQuoteWithItsSpeaker) {
  const SplitText split = split_sentences(
      "\"Oh no! It is gone!\" cried Tom. \"Wait,\" said Mia. \"I see it.\" She said, \"Look!\" He "
      "did.");
  EXPECT_THAT(split.sentences,
              ElementsAre("\"Oh no! It is gone!\" cried Tom.", "\"Wait,\" said Mia.",
                          "\"I see it.\"", "She said, \"Look!\"", "He did."));
}

TEST(StorySentences, LeavesOutWhatTheEndCutsOff) {
  EXPECT_EQ(split_sentences("Tom ran. Then he").rest, "Then he");
  // "asked Tom" may have been about to come.
  EXPECT_EQ(split_sentences("Tom ran. \"Where is it?\"").rest, "\"Where is it?\"");
  EXPECT_THAT(split_sentences("Then he").sentences, IsEmpty());
  EXPECT_THAT(split_sentences("").sentences, IsEmpty());
  EXPECT_EQ(split_sentences(" \n ").rest, "");
}

TEST(StorySentences, ALineBreakEndsASentence) {
  const SplitText split = split_sentences("Tom ran\n\n\"Where is it?\"\nHe \"slept. Mia\nsang.");
  EXPECT_THAT(split.sentences,
              ElementsAre("Tom ran", "\"Where is it?\"", "He \"slept. Mia", "sang."));
}

TEST(StorySentences, TokensHaveKindAndSpacing) {
  const auto tokens = tokenize_sentence("\"It's tip-top,\"  said");
  std::vector<std::string> texts;
  for (const StoryToken& token : tokens)
    texts.emplace_back(token.text);
  EXPECT_THAT(texts, ElementsAre("\"", "It's", "tip-top", ",", "\"", "said"));
  EXPECT_EQ(tokens.front().kind, TokenKind::kOpenQuote);
  EXPECT_EQ(tokens[4].kind, TokenKind::kCloseQuote);
  EXPECT_FALSE(tokens[1].space_before);
  EXPECT_TRUE(tokens[2].space_before);
  EXPECT_TRUE(needs_space(TokenKind::kCloseQuote, TokenKind::kWord));
  EXPECT_FALSE(needs_space(TokenKind::kOpenQuote, TokenKind::kWord));
  EXPECT_FALSE(needs_space(TokenKind::kWord, TokenKind::kPunctuation));
}

TEST(StorySentences, ArticlesFollowTheSound) {
  for (const char* word : {"apple", "egg", "hour", "honest", "Uncle"})
    EXPECT_TRUE(takes_an(word)) << word;
  for (const char* word : {"pear", "house", "unicorn", "one", "yo-yo"})
    EXPECT_FALSE(takes_an(word)) << word;
  EXPECT_EQ(capitalized("under"), "Under");
  EXPECT_EQ(capitalized(""), "");
}

}  // namespace
}  // namespace cllm
