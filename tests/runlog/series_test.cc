#include "runlog/series.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/philox.h"

namespace cllm {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Series noisy_line(int points, double slope, double noise) {
  const Philox random(1, RandomStream::kTest);
  Series series;
  for (int i = 0; i < points; ++i)
    series.push_back(
        {static_cast<double>(i), slope * i + noise * random.normal(0, static_cast<uint64_t>(i))});
  return series;
}

TEST(Series, DownsamplingKeepsExtremesOrderAndGaps) {
  Series series = noisy_line(100000, 0, 1);
  series[777].y = 50;
  series[88888].y = -50;
  for (size_t i = 40000; i < 50000; ++i)
    series[i].y = kNan;
  const Series small = downsample(series, 400);
  EXPECT_LE(small.size(), 800u);
  EXPECT_EQ(sorted_values(small).front(), -50);
  EXPECT_EQ(sorted_values(small).back(), 50);
  bool gap = false;
  for (size_t i = 0; i < small.size(); ++i) {
    EXPECT_TRUE(i == 0 || small[i - 1].x < small[i].x);
    gap = gap || std::isnan(small[i].y);
    EXPECT_FALSE(small[i].x > 40500 && small[i].x < 49500 && std::isfinite(small[i].y));
  }
  EXPECT_TRUE(gap);
}

TEST(Series, FewPointsStayAsTheyAre) {
  EXPECT_EQ(downsample(noisy_line(10, 1, 0), 5).size(), 10u);
  EXPECT_TRUE(downsample({}, 5).empty());
}

// A local line reproduces a line exactly, ends included: no lag, no bend. Rounding only.
TEST(Series, SmoothingReproducesALine) {
  for (const Point& point : smooth(noisy_line(1000, 0.01, 0), 100, 0.02))
    EXPECT_TRUE(std::abs(point.y - 0.01 * point.x) <= 1e-9) << point.x;
}

// 41 neighbours with tricube weights (effective number about 29 inside, a quarter of that at the
// ends) leave at most 1/sqrt(7) of the noise, here 1; five sigma of that is under 2.
TEST(Series, SmoothingTakesTheNoiseAway) {
  double squares = 0;
  const Series trend = smooth(noisy_line(1000, 0, 1), 100, 0.02);
  for (const Point& point : trend) {
    EXPECT_TRUE(std::abs(point.y) < 2) << point.x;
    squares += point.y * point.y;
  }
  EXPECT_TRUE(squares / static_cast<double>(trend.size()) < 0.1) << squares;
}

TEST(Series, SmoothingLeavesGapsOpenAndInventsNothing) {
  Series series = noisy_line(1000, -1, 0);
  for (size_t i = 400; i < 600; ++i)
    series[i].y = kNan;
  for (const Point& point : smooth(series, 100, 0.02)) {
    if (point.x > 415 && point.x < 585) {
      EXPECT_TRUE(std::isnan(point.y)) << point.x;
    } else if (std::isfinite(point.y)) {
      EXPECT_TRUE(point.y <= 0 && point.y >= -999) << point.x;
    }
  }
  EXPECT_TRUE(smooth({{1, 2}}, 10, 0.1).empty());
}

TEST(Series, SameStepTwiceIsFinite) {
  for (const Point& point : smooth({{5, 1}, {5, 3}}, 4, 0.1))
    EXPECT_TRUE(point.y == 2);
}

TEST(Series, Quantile) {
  EXPECT_EQ(quantile({1}, 0.99), 1);
  EXPECT_EQ(quantile({1, 2, 3, 4, 5}, 0.5), 3);
  EXPECT_EQ(quantile({1, 2, 3, 4, 5}, 1), 5);
}

}  // namespace
}  // namespace cllm
