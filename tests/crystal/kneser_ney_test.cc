#include "crystal/kneser_ney.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/philox.h"
#include "reference/kneser_ney.h"

namespace cllm {
namespace {

constexpr Discounting kBoth[] = {Discounting::kOne, Discounting::kThree};

// Text with structure: a token is often the one after its predecessor, so that counts above 4
// occur.
std::vector<Token> random_text(int64_t size, int vocabulary, uint64_t seed) {
  PhiloxSequence random(Philox(seed, RandomStream::kTest), 0);
  std::vector<Token> text;
  Token last = 0;
  for (int64_t i = 0; i < size; ++i) {
    last = random.uniform() < 0.6 ? (last + 1) % vocabulary
                                  : static_cast<Token>(random.below(vocabulary));
    text.push_back(last);
  }
  return text;
}

std::vector<Token> last_tokens(std::span<const Token> history, size_t count) {
  const auto kept = history.last(std::min(count, history.size()));
  return {kept.begin(), kept.end()};
}

void expect_reference(const std::vector<Token>& text, int vocabulary, int order) {
  SCOPED_TRACE(fmt::format("{} tokens of {}, order {}", text.size(), vocabulary, order));
  const NgramCounts counts = count_ngrams(text, vocabulary, order);
  for (const Discounting discounting : kBoth) {
    const KneserNey model(counts, discounting);
    const reference::KneserNey truth(text, vocabulary, order,
                                     discounting == Discounting::kOne ? 1 : 3);
    for (uint64_t sample = 0; sample < 6; ++sample) {
      const std::vector<Token> history =
          random_text(static_cast<int64_t>(sample), vocabulary, 99 + sample);
      const auto context = last_tokens(history, static_cast<size_t>(order - 1));
      for (Token token = 0; token < vocabulary; ++token) {
        const double expected = truth.probability(context, token);
        // Some ten operations per order, each exact to 2^-53, and a logarithm.
        EXPECT_NEAR(std::exp(model.log_probability(history, token)) / expected, 1, 1e-13)
            << "token " << token << " after " << sample << " tokens";
      }
    }
  }
}

TEST(KneserNey, IsTheDefinition) {
  for (const int order : {1, 2, 3, 5})
    for (const int vocabulary : {2, 5, 9}) {
      expect_reference(random_text(200, vocabulary, 1), vocabulary, order);
      expect_reference(random_text(17, vocabulary, 2), vocabulary, order);
    }
}

TEST(KneserNey, IsTheDefinitionWithTokensThatTheTextDoesNotHave) {
  expect_reference(random_text(100, 5, 3), 8, 3);
}

TEST(KneserNey, IsTheDefinitionForTextsAsShortAsTheOrderOrEmpty) {
  for (int size = 0; size <= 5; ++size)
    expect_reference(random_text(size, 3, 4), 3, 4);
}

// One token over and over leaves no counts of counts.
TEST(KneserNey, IsTheDefinitionWithoutEstimates) {
  expect_reference(std::vector<Token>(30, 1), 3, 3);
}

TEST(KneserNey, TheDefinitionTellsTheFormsApart) {
  const std::vector<Token> text = random_text(200, 5, 1), context = {1, 2};
  const NgramCounts counts = count_ngrams(text, 5, 3);
  const double right = KneserNey(counts).log_probability(context, 3);
  EXPECT_GT(std::abs(std::exp(right) - reference::KneserNey(text, 5, 3, 1).probability(context, 3)),
            1e-4);
}

TEST(KneserNey, ReadsTheSameDiscountsFromCountsOfCounts) {
  // n1 = 4, n2 = 2, n3 = 1, n4 = 1: Y = 1/2.
  const std::vector<uint32_t> counts = {1, 1, 1, 1, 2, 2, 3, 4, 9};
  const Discounts three = Discounts::estimate(counts, Discounting::kThree);
  EXPECT_DOUBLE_EQ(three(1), 0.5);
  EXPECT_DOUBLE_EQ(three(2), 1.25);
  EXPECT_DOUBLE_EQ(three(3), 1.0);
  EXPECT_DOUBLE_EQ(three(9), 1.0);
  const Discounts one = Discounts::estimate(counts, Discounting::kOne);
  EXPECT_DOUBLE_EQ(one(1), 0.5);
  EXPECT_DOUBLE_EQ(one(9), 0.5);
}

TEST(KneserNey, FallsBackWhereDiscountsCannotBeEstimated) {
  const auto expect_fallback = [](const std::vector<uint32_t>& counts) {
    const Discounts three = Discounts::estimate(counts, Discounting::kThree);
    EXPECT_EQ(three.of, (std::array<double, 3>{0.5, 1, 1.5}));
  };
  expect_fallback({});
  expect_fallback({5, 7});
  expect_fallback({1, 1, 2, 3});              // no 4
  expect_fallback({1, 2, 3, 3, 3, 3, 4, 4});  // D2 = 2 - 3/3 * 4/1 < 0
  EXPECT_EQ(Discounts::estimate(std::vector<uint32_t>{1, 1, 3}, Discounting::kOne)(1), 0.75);
  EXPECT_EQ(Discounts::estimate(std::vector<uint32_t>{2, 3}, Discounting::kOne)(1), 0.75);
}

TEST(KneserNey, ProbabilitiesSumToOneAfterAnyHistory) {
  constexpr int kVocabulary = 300;
  const std::vector<Token> text = random_text(20000, kVocabulary - 20, 5);
  for (const int order : {1, 2, 4, 7}) {
    const NgramCounts counts = count_ngrams(text, kVocabulary, order);
    for (const Discounting discounting : kBoth) {
      const KneserNey model(counts, discounting);
      for (uint64_t sample = 0; sample < 60; ++sample) {
        // Half of the histories are from the text, so that long contexts are known.
        const auto begin = static_cast<size_t>(sample * 317);
        const std::vector<Token> history =
            sample % 2 == 0
                ? std::vector<Token>(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                     text.begin() + static_cast<std::ptrdiff_t>(begin + sample % 9))
                : random_text(static_cast<int64_t>(sample % 9), kVocabulary, sample);
        double sum = 0;
        for (Token token = 0; token < kVocabulary; ++token)
          sum += std::exp(model.log_probability(history, token));
        // 300 terms, relative error below 1e-13 each.
        EXPECT_NEAR(sum, 1, 1e-12) << "order " << order << ", sample " << sample;
      }
    }
  }
}

TEST(KneserNey, KnowsNothingWithoutText) {
  const NgramCounts counts = count_ngrams({}, 7, 3);
  const KneserNey model(counts);
  const std::vector<Token> history = {1, 2, 3};
  EXPECT_DOUBLE_EQ(model.log_probability(history, 6), -std::log(7.0));
}

TEST(KneserNey, ASequenceIsItsTokensOneByOne) {
  const std::vector<Token> text = random_text(500, 6, 6), sequence = random_text(40, 6, 7);
  const NgramCounts counts = count_ngrams(text, 6, 3);
  const KneserNey model(counts);
  std::vector<double> out(sequence.size());
  model.log_probabilities(sequence, out);
  EXPECT_EQ(out[0], model.log_probability({}, sequence[0]));
  for (size_t i = 2; i < sequence.size(); ++i)
    EXPECT_EQ(out[i], model.log_probability(std::span(sequence).subspan(i - 2, 2), sequence[i]))
        << "more history than order - 1 tokens changes nothing";
}

TEST(KneserNeyDeathTest, ATokenOutsideTheVocabularyIsABug) {
  const NgramCounts counts = count_ngrams(random_text(50, 4, 8), 4, 2);
  EXPECT_DEATH(KneserNey(counts).log_probability({}, 4), "token 4 of 4");
}

}  // namespace
}  // namespace cllm
