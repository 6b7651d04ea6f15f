#include "optim/ema.h"

#include <gtest/gtest.h>

#include "testing_tables.h"

namespace cllm::optim {
namespace {

using namespace cllm::testing;

TEST(Ema, EqualsTheSumOfItsDefinition) {
  constexpr size_t kCount = 20011;
  constexpr int kUpdates = 5;
  std::vector<double> truth = widen(random_vector(kCount, 1));
  for (int update = 1; update <= kUpdates; ++update) {
    const std::vector<double> w = widen(random_vector(kCount, 1 + static_cast<uint64_t>(update)));
    for (size_t i = 0; i < kCount; ++i)
      truth[i] = 0.9 * truth[i] + 0.1 * w[i];
  }
  expect_same_bits_for_threads([&](const ops::Context& context) {
    std::vector<float> average = random_vector(kCount, 1);
    for (int update = 1; update <= kUpdates; ++update)
      ema_update(context, 0.9, kCount,
                 random_vector(kCount, 1 + static_cast<uint64_t>(update)).data(), average.data());
    // A difference of two normal numbers (below 10) and an addition (below 5) round per update.
    EXPECT_TRUE(all_close(average, truth, kUpdates * 6 * kUnit, 0));
    return average;
  });
}

TEST(Ema, StartsAsAPlainAverageAndEndsAtItsDecay) {
  EXPECT_DOUBLE_EQ(ema_decay(0.99, 1), 0.1);
  EXPECT_DOUBLE_EQ(ema_decay(0.99, 9), 0.5);
  EXPECT_EQ(ema_decay(0.99, 891), 0.99);
  EXPECT_EQ(ema_decay(0.99, 1 << 30), 0.99);
  EXPECT_EQ(ema_decay(0.05, 1), 0.05);
}

}  // namespace
}  // namespace cllm::optim
