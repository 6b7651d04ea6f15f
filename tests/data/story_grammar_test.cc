#include "data/story_grammar.h"

#include <gtest/gtest.h>

#include <map>

#include "base/philox.h"
#include "data/story.h"
#include "data/story_sentences.h"

namespace cllm {
namespace {

std::vector<std::string> sentences_of(uint64_t seed, StorySplit split, uint64_t stories) {
  std::vector<std::string> out;
  for (uint64_t i = 0; i < stories; ++i) {
    const std::string text = StoryCorpus(seed).story(split, i);
    for (const std::string_view sentence : split_sentences(text).sentences)
      out.emplace_back(sentence);
  }
  return out;
}

struct Piece {
  TokenKind kind;
  std::string text;
};

std::vector<Piece> pieces_of(const std::string& sentence) {
  std::vector<Piece> out;
  for (const StoryToken& token : tokenize_sentence(sentence)) {
    out.push_back({token.kind, std::string(token.text)});
  }
  return out;
}

std::string joined(const std::vector<Piece>& pieces) {
  std::string out;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0 && needs_space(pieces[i - 1].kind, pieces[i].kind)) out += ' ';
    out += pieces[i].text;
  }
  return out;
}

// Each pronoun and article with one that cannot stand in its place.
const std::map<std::string, std::string>& wrong_forms() {
  static const std::map<std::string, std::string> forms = {
      {"a", "an"},   {"an", "a"},    {"he", "him"}, {"she", "hers"},    {"him", "he"},
      {"He", "Him"}, {"She", "Her"}, {"His", "He"}, {"his", "himself"}, {"her", "she"}};
  return forms;
}

// The sentence with one random fault; itself if there is no place for this fault.
std::string corrupted(const std::string& sentence, const std::string& fault,
                      const std::string& word, PhiloxSequence& random) {
  std::vector<Piece> pieces = pieces_of(sentence);
  std::vector<size_t> places;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const bool fits = fault == "pronoun" ? wrong_forms().count(pieces[i].text) == 1
                                         : pieces[i].kind == TokenKind::kWord;
    if (fits) places.push_back(i);
  }
  if (places.empty()) return sentence;
  const size_t place = places[random.below(places.size())];
  const auto position = pieces.begin() + static_cast<std::ptrdiff_t>(place);
  if (fault == "delete") {
    pieces.erase(position);
  } else if (fault == "swap") {
    std::swap(pieces[place], pieces[places[random.below(places.size())]]);
  } else if (fault == "insert") {
    pieces.insert(position, {TokenKind::kWord, word});
  } else if (fault == "pronoun") {
    position->text = wrong_forms().at(position->text);
  } else {
    position->text = fault == "unknown" ? "blorp" : word;
  }
  return joined(pieces);
}

TEST(StoryGrammar, AcceptsEverySentenceOfTheGenerator) {
  for (const uint64_t seed : {0ull, 1ull, 42ull, ~0ull}) {
    for (const StorySplit split : {StorySplit::kTrain, StorySplit::kValidation}) {
      std::string text;
      for (uint64_t i = 0; i < 1000; ++i)
        text += StoryCorpus(seed).story(split, i) + "\n";
      const GrammarScore score = score_text(text);
      EXPECT_GT(score.sentences, 8000);
      EXPECT_EQ(score.share(), 1.0) << score.first_rejected.at(0);
    }
  }
}

TEST(StoryGrammar, AcceptsAndRejectsByAgreement) {
  EXPECT_TRUE(
      accepts_sentence("Tom drew a big card, and all the children wrote their names on it."));
  EXPECT_TRUE(accepts_sentence("This is a story about an honest girl named Lily."));
  EXPECT_TRUE(accepts_sentence("At bedtime, Lily thought about the day and felt happy."));
  for (const char* bad :
       {"This is a story about a honest girl named Lily.",    // article
        "This is a story about an kind girl named Lily.",     // article
        "This is a story about an honest boy named Lily.",    // name and noun
        "this is a story about an honest girl named Lily.",   // capital
        "This is a story about an honest girl named Lily",    // full stop
        "This is a  story about an honest girl named Lily.",  // two spaces
        "This is a story about an honest girl named Lily .",  // space before the full stop
        "This is a story about an honest girl named Brumhild.",
        "Everyone in the village knew Tom, because she was such a kind boy.",
        "Lily and Lily walked home hand in hand.",  // two friends, one name
        "Tom took a deep breath and went on, step by step",
        "Tom Tom ran.",
        "The cat sat quickly on because.",
        "Lily.",
        ".",
        "",
        " ",
        "\"",
        "\"\"",
        "(",
        "[H] ran."}) {
    EXPECT_FALSE(accepts_sentence(bad)) << bad;
  }
}

// One random fault per sentence. A few stay grammatical by chance: an optional word was deleted, or
// a word replaced by another of its list.
class StoryCorruption : public ::testing::TestWithParam<std::string> {};

TEST_P(StoryCorruption, IsRejected) {
  const std::vector<std::string> sentences = sentences_of(7, StorySplit::kTrain, 400);
  std::vector<std::string> words;
  for (const std::string& sentence : sentences) {
    for (const Piece& piece : pieces_of(sentence)) {
      if (piece.kind == TokenKind::kWord) words.push_back(piece.text);
    }
  }
  PhiloxSequence random(Philox(3, RandomStream::kTest), 0);
  int tried = 0, rejected = 0;
  for (const std::string& sentence : sentences) {
    const std::string word = words[random.below(words.size())];
    const std::string bad = corrupted(sentence, GetParam(), word, random);
    if (bad == sentence) continue;
    ++tried;
    rejected += accepts_sentence(bad) ? 0 : 1;
  }
  EXPECT_GT(tried, 1000);
  const bool never_right = GetParam() == "unknown" || GetParam() == "pronoun";
  // Measured: 99.3 % (replace) to 100 %.
  EXPECT_GE(rejected, (never_right ? 1.0 : 0.98) * tried) << tried;
}

INSTANTIATE_TEST_SUITE_P(StoryGrammar, StoryCorruption,
                         ::testing::Values("delete", "swap", "insert", "replace", "unknown",
                                           "pronoun"),
                         [](const auto& test) { return test.param; });

// A name in a sentence fixes its pronouns: the other gender must not pass.
TEST(StoryGrammar, RejectsTheOtherGenderBesideAName) {
  EXPECT_TRUE(
      accepts_sentence("Mia filled a pot with earth and pushed the seed in with her thumb."));
  EXPECT_FALSE(
      accepts_sentence("Mia filled a pot with earth and pushed the seed in with his thumb."));
  EXPECT_FALSE(
      accepts_sentence("Tom filled a pot with earth and pushed the seed in with her thumb."));
}

TEST(StoryGrammar, ScoresTextWithoutItsCutEnd) {
  const GrammarScore score =
      score_text("\"What can I do?\" asked Tom. Tom cat blue. Then Mia had to lau");
  EXPECT_EQ(score.sentences, 2);
  EXPECT_EQ(score.accepted, 1);
  EXPECT_EQ(score.share(), 0.5);
  EXPECT_EQ(score.first_rejected, std::vector<std::string>{"Tom cat blue."});
  EXPECT_EQ(score_text("").share(), 0.0);
  EXPECT_EQ(score_text("Once upon").sentences, 0);
}

TEST(StoryGrammar, SurvivesAnyBytes) {
  std::string bytes;
  for (int i = 0; i < 4096; ++i) {
    bytes +=
        static_cast<char>(Philox(5, RandomStream::kTest).below(256, 0, static_cast<uint64_t>(i)));
  }
  EXPECT_EQ(score_text(bytes + "\n").accepted, 0);
}

}  // namespace
}  // namespace cllm
