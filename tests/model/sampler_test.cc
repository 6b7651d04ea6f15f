#include "model/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "model_test_files.h"

namespace cllm {
namespace {

// Every option off.
SamplingOptions plain() {
  return {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .repetition_penalty = 1};
}

// probabilities 0.5, 0.25, 0.15, 0.1 of tokens 2, 0, 3, 1
const std::vector<float> kLogits = {std::log(0.25f), std::log(0.1f), std::log(0.5f),
                                    std::log(0.15f)};

// How often each token comes in `draws` draws of one sampler.
std::vector<int> counts(const SamplingOptions& options, int draws,
                        const std::vector<float>& from = kLogits,
                        const std::vector<int32_t>& history = {}) {
  Sampler sampler(options, static_cast<int64_t>(from.size()));
  std::vector<int> count(from.size());
  for (int i = 0; i < draws; ++i) {
    std::vector<float> logits = from;
    ++count[static_cast<size_t>(sampler.next(logits, history))];
  }
  return count;
}

std::set<int> drawn(const SamplingOptions& options) {
  std::set<int> tokens;
  const std::vector<int> count = counts(options, 400);
  for (size_t token = 0; token < count.size(); ++token)
    if (count[token] > 0) tokens.insert(static_cast<int>(token));
  return tokens;
}

// Five standard deviations of a binomial share.
void expect_shares(const SamplingOptions& options, const std::vector<double>& shares,
                   const std::vector<int32_t>& history = {}) {
  constexpr int kDraws = 20000;
  const std::vector<int> count = counts(options, kDraws, kLogits, history);
  for (size_t token = 0; token < shares.size(); ++token) {
    const double p = shares[token];
    EXPECT_NEAR(static_cast<double>(count[token]) / kDraws, p, 5 * std::sqrt(p * (1 - p) / kDraws))
        << "token " << token;
  }
}

TEST(Sampler, DrawsFromTheSoftmax) {
  expect_shares(plain(), {0.25, 0.1, 0.5, 0.15});
}

TEST(Sampler, TemperatureIsAPowerOfTheProbabilities) {
  SamplingOptions options = plain();
  options.temperature = 0.5;
  const double total = 0.0625 + 0.01 + 0.25 + 0.0225;
  expect_shares(options, {0.0625 / total, 0.01 / total, 0.25 / total, 0.0225 / total});
}

TEST(Sampler, ZeroTemperatureIsGreedyAndTiesGoToTheSmallerId) {
  SamplingOptions options = plain();
  options.temperature = 0;
  EXPECT_EQ(drawn(options), std::set<int>{2});
  EXPECT_EQ(counts(options, 5, {1, 3, 3, 2})[1], 5);
  options.temperature = 1;
  options.top_k = 1;
  EXPECT_EQ(counts(options, 5, {1, 3, 3, 2})[1], 5);
}

TEST(Sampler, TopKKeepsTheLikeliest) {
  SamplingOptions options = plain();
  options.top_k = 2;
  expect_shares(options, {1.0 / 3, 0, 2.0 / 3, 0});
  options.top_k = 100;
  EXPECT_EQ(drawn(options).size(), 4u);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatHoldsTheShare) {
  SamplingOptions options = plain();
  for (const auto& [share, tokens] : std::vector<std::pair<double, std::set<int>>>{
           {1e-9, {2}}, {0.49, {2}}, {0.6, {0, 2}}, {0.8, {0, 2, 3}}, {0.95, {0, 1, 2, 3}}}) {
    options.top_p = share;
    EXPECT_EQ(drawn(options), tokens) << share;
  }
}

TEST(Sampler, MinPIsAShareOfTheBest) {
  SamplingOptions options = plain();
  options.min_p = 0.25;
  EXPECT_EQ(drawn(options), (std::set<int>{0, 2, 3}));
  options.min_p = 1;
  EXPECT_EQ(drawn(options), std::set<int>{2});
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogitsOnce) {
  SamplingOptions options = plain();
  options.repetition_penalty = 2;
  // Token 2 twice in the history: its logit log(0.5) counts once, times 2: 0.25.
  const double total = 0.25 + 0.1 + 0.25 + 0.15;
  expect_shares(options, {0.25 / total, 0.1 / total, 0.25 / total, 0.15 / total}, {2, 2});
  options.temperature = 0;
  EXPECT_EQ(counts(options, 1, {3, 2, 5, 1}, {2})[0], 1) << "5 / 2 < 3";
  options.repetition_window = 1;
  EXPECT_EQ(counts(options, 1, {3, 2, 5, 1}, {2, 0})[2], 1) << "2 is out of the window";
}

TEST(Sampler, TheDrawsDependOnTheSeedAndTheirNumber) {
  const auto tokens = [](int64_t seed) {
    SamplingOptions options = plain();
    options.seed = seed;
    Sampler sampler(options, 4);
    std::vector<int32_t> result;
    for (int i = 0; i < 50; ++i) {
      std::vector<float> logits = kLogits;
      result.push_back(sampler.next(logits, {}));
    }
    return result;
  };
  EXPECT_EQ(tokens(3), tokens(3));
  EXPECT_NE(tokens(3), tokens(4));
}

// Of six tokens; the four that a shortlist holds are the likeliest.
TEST(Sampler, AFewTokensThatHoldTheLikeliestGiveTheSameDraws) {
  const std::vector<float> all = {0.5f, 3, -2, 2.5f, -3, 2};
  const std::vector<int32_t> few = {0, 1, 3, 5};
  const std::vector<int32_t> history = {1, 2, 1};  // 2 is not among the few
  for (const double penalty : {1.0, 1.3})
    for (const double temperature : {0.0, 0.7, 2.0})
      for (const int64_t top_k : {1, 3}) {
        SamplingOptions options = plain();
        options.temperature = temperature;
        options.top_k = top_k;
        options.top_p = 0.9;
        options.min_p = 0.02;
        options.repetition_penalty = penalty;
        Sampler one(options, 6), other(options, 6);
        for (int draw = 0; draw < 100; ++draw) {
          std::vector<float> logits = all, four;
          for (const int32_t token : few)
            four.push_back(all[static_cast<size_t>(token)]);
          ASSERT_EQ(one.next(logits, history), other.next(few, four, history));
        }
      }
}

TEST(Sampler, RefusesAShortlistThatCannotServe) {
  const auto refusal = [](const SamplingOptions& options, int64_t candidates) {
    return error_of(ErrorKind::kUsage, [&] { options.require_candidates(candidates); });
  };
  SamplingOptions options = plain();
  EXPECT_NE(refusal(options, 512).find("all tokens"), std::string::npos);
  options.top_k = 40;
  options.top_p = 0.9;  // of the top_k
  EXPECT_EQ(refusal(options, 40), "");
  EXPECT_NE(refusal(options, 39).find("40 tokens of a shortlist of 39"), std::string::npos);
  options.temperature = 0;
  options.top_k = 0;
  EXPECT_EQ(refusal(options, 1), "") << "greedy";
  options.repetition_penalty = 0.9;
  EXPECT_NE(refusal(options, 512).find("likelier"), std::string::npos);
}

TEST(Sampler, NumbersThatAreNoneAreAnError) {
  Sampler sampler(plain(), 4);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> logits = {1, bad, 2, 3};
    EXPECT_NE(error_of(ErrorKind::kDiverged, [&] { sampler.next(logits, {}); }), "");
  }
}

// Extremes of every option give a token, never a crash.
TEST(Sampler, ExtremeOptions) {
  for (const double temperature : {1e-300, 1e-9, 100.0})
    for (const double top_p : {1e-300, 1.0})
      for (const std::vector<float>& logits : {std::vector<float>{0, 0, 0, 0},
                                               {3e38f, -3e38f, 0, 1},
                                               {-3e38f, -3e38f, -3e38f, -3e38f}}) {
        SamplingOptions options = plain();
        options.temperature = temperature;
        options.top_p = top_p;
        options.min_p = 1;
        options.repetition_penalty = 100;
        EXPECT_NO_THROW(counts(options, 3, logits, {3}));
      }
}

}  // namespace
}  // namespace cllm
