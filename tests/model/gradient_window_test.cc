#include "model/gradient_window.h"

#include <gtest/gtest.h>

namespace cllm {
namespace {

ModelConfig config(bool tied) {
  ModelConfig config;
  config.vocabulary_size = 50;
  config.context_length = 8;
  config.layers = 11;  // blocks.1. and blocks.10. are different blocks
  config.heads = 2;
  config.width = 16;
  config.tied_head = tied;
  return config;
}

TEST(GradientWindow, RangesCoverTheArenaInOrder) {
  for (const bool tied : {true, false}) {
    const Transformer model(config(tied));
    const std::vector<ParameterRange> ranges = GradientWindow(model).ranges();
    ASSERT_EQ(ranges.size(), 13u);
    int64_t at = 0;
    for (const ParameterRange& range : ranges) {
      EXPECT_EQ(range.begin, at);
      EXPECT_GT(range.count(), 0);
      at = range.end;
    }
    EXPECT_EQ(at, model.parameters().arena_floats());
  }
}

TEST(GradientWindow, BlocksShareTwoPlacesInTurnAndNothingElseDoes) {
  const Transformer model(config(false));
  const GradientWindow window(model);
  EXPECT_EQ(window.floats(),
            window.front().count() + window.back().count() + 2 * window.block(0).count());
  EXPECT_LT(window.floats(), model.parameters().arena_floats() / 4);
  std::vector<float> memory(static_cast<size_t>(window.floats()));
  const std::vector<ParameterRange> ranges = window.ranges();
  for (size_t i = 0; i < ranges.size(); ++i) {
    float* place = window.at(ranges[i], memory.data());
    EXPECT_EQ(window.base(ranges[i], memory.data()) + ranges[i].begin, place);
    std::fill_n(place, ranges[i].count(), static_cast<float>(i));
  }
  EXPECT_EQ(*window.at(window.front(), memory.data()), 0.0f);
  EXPECT_EQ(*window.at(window.back(), memory.data()), 12.0f);
  EXPECT_EQ(*window.at(window.block(3), memory.data()), 10.0f);
  EXPECT_EQ(*window.at(window.block(4), memory.data()), 11.0f);
  EXPECT_EQ(memory.back(), 10.0f);
}

TEST(GradientWindow, OneBlockNeedsOnePlace) {
  ModelConfig one = config(false);
  one.layers = 1;
  const Transformer model(one);
  EXPECT_EQ(GradientWindow(model).floats(), model.parameters().arena_floats());
}

}  // namespace
}  // namespace cllm
