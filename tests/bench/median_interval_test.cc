#include "bench/median_interval.h"

#include <gtest/gtest.h>

#include "base/philox.h"

namespace cllm::bench {
namespace {

TEST(MedianInterval, KnownBinomialIntervals) {
  // 1 - 2 P(no head in 7 tosses), and 1 - 2 P(at most two heads in 12 tosses).
  const MedianInterval seven = median_interval({7, 1, 6, 2, 5, 3, 4});
  EXPECT_EQ(seven.median, 4);
  EXPECT_EQ(seven.low, 1);
  EXPECT_EQ(seven.high, 7);
  EXPECT_NEAR(seven.confidence, 1 - 2.0 / 128, 1e-12);
  const MedianInterval twelve = median_interval({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  EXPECT_EQ(twelve.low, 3);
  EXPECT_EQ(twelve.high, 10);
  EXPECT_NEAR(twelve.confidence, 1 - 2.0 * (1 + 12 + 66) / 4096, 1e-12);
}

TEST(MedianInterval, TooFewFiguresTellSo) {
  const MedianInterval three = median_interval({1, 2, 4});
  EXPECT_EQ(three.low, 1);
  EXPECT_EQ(three.high, 4);
  EXPECT_NEAR(three.confidence, 0.75, 1e-12);
  const MedianInterval one = median_interval({5});
  EXPECT_EQ(one.low, 5);
  EXPECT_EQ(one.high, 5);
  EXPECT_EQ(one.confidence, 0);
}

// 2000 trials of 15 uniform numbers, whose median is 1/2: the share of intervals that hold it is
// binomial around the confidence told, with a deviation below sqrt(0.05 * 0.95 / 2000) = 0.005.
TEST(MedianInterval, HoldsTheMedianAsOftenAsItSays) {
  const Philox source(1, RandomStream::kTest);
  int held = 0;
  double confidence = 0;
  for (uint64_t trial = 0; trial < 2000; ++trial) {
    std::vector<double> values;
    for (uint64_t i = 0; i < 15; ++i)
      values.push_back(source.uniform(trial, i));
    const MedianInterval interval = median_interval(values);
    held += interval.low <= 0.5 && 0.5 <= interval.high;
    confidence = interval.confidence;
  }
  EXPECT_GE(confidence, 0.95);
  EXPECT_NEAR(held / 2000.0, confidence, 5 * 0.005);
}

}  // namespace
}  // namespace cllm::bench
