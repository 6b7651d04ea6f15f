#include "crystal/ngram_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cllm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "abab" and "c": ab twice, ba once, bc once.
const std::vector<Token> kText = {0, 1, 0, 1, 2};

TEST(NgramCounts, OccurrencesInTheLastLevelAndLeftNeighboursBelow) {
  const NgramCounts counts = count_ngrams(kText, 4, 2);
  ASSERT_EQ(counts.levels.size(), 2u);
  const NgramLevel& single = counts.levels[0];
  EXPECT_THAT(single.grams.begin, ElementsAre(0, 3));
  EXPECT_THAT(single.grams.tokens, ElementsAre(0, 1, 2));
  // Before a: the start and b; before b: a; before c: b.
  EXPECT_THAT(single.counts, ElementsAre(2, 1, 1));
  // c has nothing after it, so it is no context.
  EXPECT_THAT(single.longer.tokens, ElementsAre(0, 1));
  const NgramLevel& pair = counts.levels[1];
  EXPECT_THAT(pair.grams.begin, ElementsAre(0, 1, 3));
  EXPECT_THAT(pair.grams.tokens, ElementsAre(1, 0, 2));
  EXPECT_THAT(pair.counts, ElementsAre(2, 1, 1));
  EXPECT_THAT(pair.longer.tokens, IsEmpty());
}

TEST(NgramCounts, FindsOnlyWhatIsInTheRow) {
  const NgramCounts counts = count_ngrams(kText, 4, 2);
  const TokenRows& pairs = counts.levels[1].grams;
  EXPECT_EQ(pairs.rows(), 2);
  EXPECT_EQ(pairs.find(0, 1), 0u);
  EXPECT_EQ(pairs.find(1, 2), 2u);
  EXPECT_FALSE(pairs.find(0, 2)) << "of the next row";
  EXPECT_FALSE(pairs.find(1, 1));
  EXPECT_FALSE(pairs.find(1, 3)) << "past the last row";
}

TEST(NgramCounts, AShortTextHasFewerLevels) {
  EXPECT_TRUE(count_ngrams({}, 4, 6).levels.empty());
  const std::vector<Token> one = {3};
  const NgramCounts counts = count_ngrams(one, 4, 6);
  ASSERT_EQ(counts.levels.size(), 1u);
  EXPECT_THAT(counts.levels[0].grams.tokens, ElementsAre(3));
  EXPECT_THAT(counts.levels[0].counts, ElementsAre(1));
  EXPECT_EQ(count_ngrams(kText, 4, 9).levels.size(), 5u);
}

TEST(NgramCounts, ReportsEveryLevelAndGivesWay) {
  std::vector<int64_t> seen;
  count_ngrams(kText, 4, 3, [&](int64_t done, int64_t all) {
    EXPECT_EQ(all, 5);
    seen.push_back(done);
  });
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THROW(count_ngrams(kText, 4, 3, [](int64_t, int64_t) { throw 1; }), int);
}

TEST(NgramCountsDeathTest, ATokenOutsideTheVocabularyIsABug) {
  EXPECT_DEATH(count_ngrams(kText, 2, 3), "token 2 of 2");
}

}  // namespace
}  // namespace cllm
