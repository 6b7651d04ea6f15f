#include "data/story.h"

#include <gtest/gtest.h>

#include <set>
#include <unordered_set>

#include "base/file.h"
#include "data/story_sentences.h"

namespace cllm {
namespace {

constexpr StorySplit kSplits[] = {StorySplit::kTrain, StorySplit::kValidation};

std::string small_letters(std::string_view word) {
  std::string out(word);
  for (char& c : out)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Fixes the corpus: a change of these numbers changes the demo's text and its recorded losses.
TEST(Story, FirstHundredStoriesAreFixed) {
  std::string train, validation;
  for (uint64_t i = 0; i < 100; ++i) {
    train += StoryCorpus(1).story(StorySplit::kTrain, i) + "\n";
    validation += StoryCorpus(1).story(StorySplit::kValidation, i) + "\n";
  }
  EXPECT_EQ(hash64_hex(hash64(train.data(), train.size())), "07e0ee3c950a5f1b");
  EXPECT_EQ(hash64_hex(hash64(validation.data(), validation.size())), "e49e7024b6386853");
}

TEST(Story, HasRandomAccess) {
  const StoryCorpus corpus(9);
  const std::string late = corpus.story(StorySplit::kTrain, uint64_t{1} << 40);
  corpus.story(StorySplit::kTrain, 0);
  EXPECT_EQ(late, StoryCorpus(9).story(StorySplit::kTrain, uint64_t{1} << 40));
  EXPECT_NE(late, StoryCorpus(10).story(StorySplit::kTrain, uint64_t{1} << 40));
}

TEST(Story, SplitsShareNoStory) {
  std::unordered_set<std::string> texts[2];
  for (const uint64_t seed : {1ull, 2ull}) {
    for (uint64_t i = 0; i < 10000; ++i) {
      for (int split = 0; split < 2; ++split) {
        texts[split].insert(StoryCorpus(seed).story(kSplits[split], i));
      }
    }
  }
  for (const std::string& text : texts[1])
    ASSERT_EQ(texts[0].count(text), 0u) << text;
  // The number of stories is practically unlimited, so repeats are rare.
  EXPECT_GE(texts[0].size(), 19990u);
  EXPECT_GE(texts[1].size(), 19990u);
}

TEST(Story, LengthWordsAndSettingAreRight) {
  std::set<std::string> vocabulary;
  for (uint64_t i = 0; i < 5000; ++i) {
    const std::string text = StoryCorpus(3).story(kSplits[i % 2], i);
    ASSERT_EQ(text.find('\n'), std::string::npos);
    const SplitText split = split_sentences(text);
    ASSERT_EQ(split.rest, "") << text;
    int words = 0;
    for (const std::string_view sentence : split.sentences) {
      const auto tokens = tokenize_sentence(sentence);
      ASSERT_TRUE(capitalized(sentence) == sentence) << sentence;
      ASSERT_EQ(tokens.back().kind == TokenKind::kWord, false) << sentence;
      std::string before;
      for (const StoryToken& token : tokens) {
        const std::string word = small_letters(token.text);
        ASSERT_NE(word, before) << sentence;  // no doubled words, no doubled punctuation
        if (before == "a" || before == "an") {
          ASSERT_EQ(takes_an(word), before == "an") << sentence;
        }
        before = word;
        if (token.kind != TokenKind::kWord) continue;
        vocabulary.insert(word);
        ++words;
      }
    }
    ASSERT_TRUE(words >= 60 && words <= 200) << words << ": " << text;
  }
  EXPECT_GE(vocabulary.size(), 1200u);
}

TEST(Story, GeneratesAtLeastTheBytes) {
  uint64_t bytes = 0, last = 0;
  std::vector<std::string> stories;
  generate_stories(4, StorySplit::kTrain, 5000, [&](std::string_view text) {
    last = text.size();
    bytes += last;
    stories.emplace_back(text);
  });
  EXPECT_TRUE(bytes >= 5000 && bytes - last < 5000) << bytes;
  EXPECT_EQ(stories.at(2), StoryCorpus(4).story(StorySplit::kTrain, 2));
  generate_stories(4, StorySplit::kTrain, 0, [](std::string_view) { FAIL(); });
}

}  // namespace
}  // namespace cllm
