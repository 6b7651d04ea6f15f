#include "crystal/shortlist.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "crystal/shortlist_recall.h"
#include "testing_tables.h"

namespace cllm {
namespace {

using testing::random_vector;

constexpr int64_t kV = 5000, kC = 96;

// Rows with different norms around a mean that is longer than they are: what a trained head is
// like.
std::vector<float> head_rows(uint64_t seed = 1) {
  std::vector<float> rows = random_vector(static_cast<size_t>(kV * kC), seed);
  const std::vector<float> mean = random_vector(static_cast<size_t>(kC), seed + 1, 2);
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t v = i / static_cast<size_t>(kC);
    rows[i] = rows[i] * (0.5f + static_cast<float>(v % 7) / 4) + mean[i % mean.size()];
  }
  return rows;
}

ops::DecodeMatrix matrix_of(const std::vector<float>& rows) {
  return {.data = rows.data(), .out = std::ssize(rows) / kC, .in = kC};
}

std::vector<float> logits_of(const std::vector<float>& rows, const std::vector<float>& hidden) {
  std::vector<float> logits;
  for (size_t first = 0; first < rows.size(); first += hidden.size())
    logits.push_back(std::inner_product(hidden.begin(), hidden.end(),
                                        rows.begin() + static_cast<ptrdiff_t>(first), 0.0f));
  return logits;
}

struct Problem {
  std::unique_ptr<Shortlist> shortlist(const ShortlistOptions& options) {
    return std::make_unique<Shortlist>(context, matrix_of(rows), kV, options);
  }
  // Mean recall of the `top` likeliest over hidden states that point to some row, as trained ones
  // do.
  double recall(const ShortlistOptions& options, int64_t top) {
    const auto list = shortlist(options);
    double sum = 0;
    constexpr size_t kQueries = 40;
    for (size_t query = 0; query < kQueries; ++query) {
      std::vector<float> hidden = random_vector(static_cast<size_t>(kC), 100 + query);
      for (size_t c = 0; c < hidden.size(); ++c)
        hidden[c] += rows[query * 101 * hidden.size() + c];
      sum += recall_of(list->select(hidden), likeliest_tokens(logits_of(rows, hidden), top));
    }
    return sum / kQueries;
  }

  std::vector<float> rows = head_rows();
  ThreadPool pool{2};
  ops::Context context{pool, kernels::chosen_table()};
};

// Far above chance, which is 0.03 and 0.05.
TEST(Shortlist, HoldsTheLikeliest) {
  Problem problem;
  EXPECT_GE(problem.recall({.candidates = 128, .bits = 512, .query_bits = 4}, 1), 0.9);
  EXPECT_GE(problem.recall({.candidates = 256, .bits = 512, .query_bits = 4}, 40), 0.6);
}

TEST(Shortlist, MoreCandidatesMoreBitsAndFinerQueriesHoldMore) {
  Problem problem;
  const double base = problem.recall({.candidates = 64, .bits = 128, .query_bits = 1}, 40);
  EXPECT_GT(problem.recall({.candidates = 256, .bits = 128, .query_bits = 1}, 40), base);
  EXPECT_GT(problem.recall({.candidates = 64, .bits = 512, .query_bits = 1}, 40), base);
  EXPECT_GT(problem.recall({.candidates = 64, .bits = 128, .query_bits = 4}, 40), base);
  EXPECT_EQ(problem.recall({.candidates = kV, .bits = 64, .query_bits = 1}, 40), 1);
}

// As many as asked for, ascending, each once: also where most scores tie, so that a guess from a
// sample finds too few or too many.
TEST(Shortlist, GivesAsManyTokensAsAskedFor) {
  Problem problem;
  std::vector<float> equal(static_cast<size_t>(kV * kC), 0.5f);
  std::vector<float> steps = equal;
  for (size_t i = 0; i < steps.size(); ++i)
    if (i / static_cast<size_t>(kC) % 16 == 3) steps[i] += 1;
  for (const std::vector<float>& rows : {problem.rows, equal, steps})
    for (const int64_t candidates : {int64_t{1}, int64_t{40}, int64_t{512}, kV - 1, kV, 2 * kV}) {
      problem.rows = rows;
      const auto list = problem.shortlist({.candidates = candidates, .bits = 64, .query_bits = 2});
      const auto chosen = list->select(random_vector(static_cast<size_t>(kC), 3));
      ASSERT_EQ(list->count(), std::min(candidates, kV));
      ASSERT_EQ(std::ssize(chosen), list->count());
      EXPECT_TRUE(std::ranges::is_sorted(chosen));
      EXPECT_TRUE(std::ranges::adjacent_find(chosen) == chosen.end());
      EXPECT_GE(chosen.front(), 0);
      EXPECT_LT(chosen.back(), kV);
    }
}

TEST(Shortlist, LeavesOutTokensBeyondTheVocabulary) {
  Problem problem;
  Shortlist list(problem.context, matrix_of(problem.rows), 100, {.candidates = 512});
  EXPECT_EQ(list.count(), 100);
  EXPECT_EQ(list.select(random_vector(static_cast<size_t>(kC), 3)).back(), 99);
}

TEST(Shortlist, IsTheSameForAnyThreadsAndKernels) {
  const std::vector<float> rows = head_rows();
  std::vector<int32_t> first;
  testing::for_each_context([&](const ops::Context& context) {
    Shortlist list(context, matrix_of(rows), kV, {.candidates = 100, .bits = 256});
    const auto chosen = list.select(random_vector(static_cast<size_t>(kC), 3));
    const std::vector<int32_t> tokens(chosen.begin(), chosen.end());
    if (first.empty()) first = tokens;
    EXPECT_EQ(tokens, first);
  });
}

// Rows and states that are no numbers choose something; the logits then tell.
TEST(Shortlist, SurvivesNotANumber) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    Problem problem;
    const std::vector<float> good = random_vector(static_cast<size_t>(kC), 3);
    std::vector<float> hidden = good;
    hidden[5] = bad;
    EXPECT_EQ(problem.shortlist({.candidates = 50})->select(hidden).size(), 50u);
    problem.rows[777] = bad;
    EXPECT_EQ(problem.shortlist({.candidates = 50})->select(good).size(), 50u);
  }
}

TEST(Shortlist, RefusesOptionsThatCannotBe) {
  for (const ShortlistOptions& options :
       {ShortlistOptions{.candidates = 0}, ShortlistOptions{.bits = 0},
        ShortlistOptions{.bits = 65}, ShortlistOptions{.bits = 4160},
        ShortlistOptions{.query_bits = 0}, ShortlistOptions{.query_bits = 9}})
    EXPECT_THROW(options.validate(), Error);
  EXPECT_NO_THROW(ShortlistOptions().validate());
}

TEST(ShortlistRecall, CountsWhatIsHeld) {
  const std::vector<int32_t> candidates = {1, 4, 9};
  EXPECT_EQ(recall_of(candidates, std::vector<int32_t>{4}), 1);
  EXPECT_EQ(recall_of(candidates, std::vector<int32_t>{5}), 0);
  EXPECT_EQ(recall_of(candidates, std::vector<int32_t>{9, 2, 1, 3}), 0.5);
  EXPECT_EQ(recall_of({}, {}), 1);
  const std::vector<float> logits = {1, 7, 3, 7, -1};
  EXPECT_EQ(likeliest_tokens(logits, 3), (std::vector<int32_t>{1, 3, 2}));
  EXPECT_EQ(likeliest_tokens(logits, 9).size(), 5u);
}

TEST(ShortlistRecall, GcdCandidatesAreRelatedNumbers) {
  // Of 12 = token 11 + 1: itself, then 6 and 24 with one half, then a third of 4 and 36.
  EXPECT_EQ(gcd_candidates(11, 100, 3), (std::vector<int32_t>{5, 11, 23}));
}

}  // namespace
}  // namespace cllm
