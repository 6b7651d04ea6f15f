#include "train/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "trainer_rig.h"

namespace cllm {
namespace {

// Sums by hand over a text whose last batch is part empty.
TEST(Evaluate, AllWindowsOfAText) {
  TrainerRig rig(gpt2_settings());
  const TokenView text = rig.dataset.view(0, 16 * 7 + 5);
  const EvalWindows windows(text, 3, 16);
  ASSERT_EQ(windows.windows(), 7);
  std::vector<int32_t> bytes(257, 1);
  bytes[256] = 0;
  const Evaluation result =
      evaluate(rig.trainer.source(), rig.trainer.weights(), windows, 0, bytes);
  EXPECT_EQ(result.tokens, 7 * 16);
  double sum = 0;
  int64_t ends = 0;
  Session session(rig.model, rig.context, {.B = 1, .T = 16, .S = 16});
  for (int64_t window = 0; window < 7; ++window) {
    std::vector<Token> tokens(17);
    text.copy(window * 16, 17, tokens.data());
    sum += session.evaluate({tokens.data(), tokens.data() + 1, 1, 16}, rig.trainer.weights());
    for (size_t t = 1; t < 17; ++t)
      ends += tokens[t] == 256;
  }
  EXPECT_EQ(result.bytes, 7 * 16 - ends);
  EXPECT_NEAR(result.loss, sum / (7 * 16), 1e-6);
  EXPECT_DOUBLE_EQ(result.perplexity, std::exp(result.loss));
  EXPECT_NEAR(result.bits_per_byte, sum / std::log(2.0) / static_cast<double>(result.bytes), 1e-6);
}

TEST(Evaluate, ALimitTakesBatchesSpreadOverTheText) {
  TrainerRig rig(gpt2_settings());
  const EvalWindows windows(rig.dataset.all(), 3, 16);
  const std::vector<int32_t> bytes(257, 1);
  const auto tokens = [&](int64_t limit) {
    return evaluate(rig.trainer.source(), rig.trainer.weights(), windows, limit, bytes).tokens;
  };
  EXPECT_EQ(tokens(4), 2 * 3 * 16);
  EXPECT_EQ(tokens(1000), windows.predicted());
}

}  // namespace
}  // namespace cllm
