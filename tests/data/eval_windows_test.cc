#include "data/eval_windows.h"

#include <gmock/gmock.h>

#include <numeric>

#include "data/data_test_files.h"

namespace cllm {
namespace {

class Evaluation : public DataTest {};

// Every full window is predicted once, in order; places without text have target -1.
TEST_F(Evaluation, CoversAllFullWindowsOnce) {
  for (int64_t size = 2; size <= 60; ++size) {
    std::vector<Token> positions(static_cast<size_t>(size));
    std::iota(positions.begin(), positions.end(), 0);
    const auto dataset = TokenDataset::from_tokens(positions, static_cast<int>(size));
    const int64_t context = 8, batch = 3;
    const EvalWindows windows(dataset.all(), batch, context);
    const int64_t expected = size > context ? (size - 1) / context * context : size - 1;
    EXPECT_EQ(windows.predicted(), expected);
    int32_t next_target = 1;
    for (int64_t index = 0; index < windows.batches(); ++index) {
      std::vector<int32_t> tokens(24, -7), targets(24, -7);
      const int64_t count = windows.batch(index, tokens.data(), targets.data());
      int64_t seen = 0;
      for (size_t i = 0; i < 24; ++i) {
        if (targets[i] == -1) {
          EXPECT_EQ(tokens[i], 0);
          continue;
        }
        EXPECT_EQ(targets[i], next_target++);
        EXPECT_EQ(tokens[i], targets[i] - 1);
        ++seen;
      }
      EXPECT_EQ(seen, count);
    }
    EXPECT_EQ(next_target, expected + 1) << size;
  }
}

TEST_F(Evaluation, OneTokenIsTooShort) {
  const auto dataset = TokenDataset::from_tokens({0}, 1);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { EvalWindows(dataset.all(), 1, 4); }),
              testing::HasSubstr("held-out text: 1 tokens, at least 2 are needed"));
}

}  // namespace
}  // namespace cllm
