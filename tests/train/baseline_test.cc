#include "train/baseline.h"

#include <gtest/gtest.h>

#include <cmath>

#include "testing.h"

namespace cllm {
namespace {

class Baseline : public ::testing::Test {
 protected:
  Baseline()
      : dataset_(TokenDataset::from_tokens(testing::random_tokens(400, 5, 1), 5)),
        counts_(count_ngrams(dataset_.view(0, 300), 5, 3)),
        model_(counts_) {}

  // -log p with the tokens [from, i) of the dataset as history.
  double token_loss(int64_t from, int64_t i) const {
    std::vector<Token> history(static_cast<size_t>(i - from));
    dataset_.copy(from, i - from, history.data());
    Token token = 0;
    dataset_.copy(i, 1, &token);
    return -model_.log_probability(history, token);
  }

  TokenDataset dataset_;
  NgramCounts counts_;
  KneserNey model_;
};

// 99 targets in windows of 16, the last batch part empty.
TEST_F(Baseline, AWindowKnowsNothingOfTheOneBefore) {
  const EvalWindows windows(dataset_.view(300, 100), 4, 16);
  ASSERT_EQ(windows.windows(), 6);
  const std::vector<int32_t> bytes(5, 2);
  std::vector<float> losses;
  const Evaluation result = evaluate(
      windows, 0, bytes, [&](const Batch& batch) { return baseline_loss(model_, batch, losses); });
  double sum = 0;
  std::vector<float> expected;
  for (int64_t window = 0; window < 6; ++window)
    for (int64_t t = 1; t <= 16; ++t) {
      sum += token_loss(300 + 16 * window, 300 + 16 * window + t);
      expected.push_back(static_cast<float>(token_loss(300 + 16 * window, 300 + 16 * window + t)));
    }
  EXPECT_EQ(losses, expected);
  EXPECT_EQ(result.tokens, 96);
  EXPECT_EQ(result.bytes, 192);
  EXPECT_NEAR(result.loss, sum / 96, 1e-12);
  EXPECT_NEAR(result.bits_per_byte, sum / 192 / std::log(2.0), 1e-12);
}

TEST_F(Baseline, ContinuouslyEveryTokenHasAllThatIsBeforeIt) {
  const Evaluation result =
      evaluate_continuously(model_, dataset_.view(300, 100), std::vector<int32_t>(5, 1));
  double sum = 0;
  for (int64_t i = 301; i < 400; ++i)
    sum += token_loss(300, i);
  EXPECT_EQ(result.tokens, 99);
  EXPECT_NEAR(result.loss, sum / 99, 1e-12);
}

}  // namespace
}  // namespace cllm
