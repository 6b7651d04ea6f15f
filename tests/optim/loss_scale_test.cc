#include "optim/loss_scale.h"

#include <gtest/gtest.h>

namespace cllm::optim {
namespace {

constexpr LossScaling kDynamic{.dynamic = true};
constexpr LossScaling kFixed{.dynamic = false, .fixed = 1024};

TEST(LossScale, DoublesAfterGoodStepsAndHalvesOnOverflow) {
  LossScaleState state = first_loss_scale(kDynamic);
  EXPECT_EQ(state.scale, 65536);
  for (int step = 0; step < 1999; ++step)
    state = next_loss_scale(kDynamic, state, true);
  EXPECT_EQ(state.scale, 65536);
  LossScaleState doubled = next_loss_scale(kDynamic, state, true);
  EXPECT_EQ(doubled, (LossScaleState{131072, 0, 0, 0}));
  EXPECT_EQ(next_loss_scale(kDynamic, state, false), (LossScaleState{32768, 0, 1, 1}))
      << "the good steps begin anew";
}

TEST(LossScale, StaysWithinItsLimits) {
  LossScaleState state = first_loss_scale(kDynamic);
  for (int step = 0; step < 30 * kGoodStepsToDouble; ++step)
    state = next_loss_scale(kDynamic, state, true);
  EXPECT_EQ(state.scale, 1 << 24);
  for (int step = 0; step < 100; ++step)
    state = next_loss_scale(kDynamic, state, false);
  EXPECT_EQ(state.scale, 1);
}

TEST(LossScale, AFixedOneNeverChangesButCounts) {
  LossScaleState state = first_loss_scale(kFixed);
  for (int step = 0; step < 5000; ++step)
    state = next_loss_scale(kFixed, state, step % 1000 != 999);
  EXPECT_EQ(state, (LossScaleState{1024, 0, 5, 1}));
  EXPECT_EQ(next_loss_scale(kFixed, state, true).skipped_in_row, 0);
}

TEST(LossScale, KnowsWhenSkippingCannotHelp) {
  EXPECT_FALSE(overflow_is_divergence(kDynamic, {.scale = 2}));
  EXPECT_TRUE(overflow_is_divergence(kDynamic, {.scale = 1}));
  EXPECT_FALSE(overflow_is_divergence(kFixed, {.scale = 1024, .skipped_in_row = 48}));
  EXPECT_TRUE(overflow_is_divergence(kFixed, {.scale = 1024, .skipped_in_row = 49}));
}

}  // namespace
}  // namespace cllm::optim
