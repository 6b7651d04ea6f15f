#include "bench/statistics.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <string>

namespace cllm::bench {
namespace {

using ::testing::ElementsAre;

TEST(Spread, IsMedianAndQuartilesBetweenOrderStatistics) {
  const Spread s = spread({4, 1, 3, 2});
  EXPECT_DOUBLE_EQ(s.median, 2.5);
  EXPECT_DOUBLE_EQ(s.low, 1.75);
  EXPECT_DOUBLE_EQ(s.high, 3.25);
  EXPECT_EQ(s.count, 4);
}

TEST(Spread, OfOneValueIsThatValue) {
  const Spread s = spread({7});
  EXPECT_EQ(s.median, 7);
  EXPECT_EQ(s.low, 7);
  EXPECT_EQ(s.high, 7);
  EXPECT_EQ(spread({}).count, 0);
}

TEST(Spread, ShowsThatSomethingWasNotANumber) {
  const Spread s = spread({1, std::numeric_limits<double>::quiet_NaN(), 3});
  EXPECT_TRUE(std::isnan(s.median));
  EXPECT_TRUE(std::isnan(s.low));
  EXPECT_TRUE(std::isnan(s.high));
}

// A slow round, here the second, slows both.
TEST(MedianRatio, ComparesWithinRounds) {
  EXPECT_DOUBLE_EQ(median_ratio({100, 50, 98}, {50, 25, 49}), 2);
  EXPECT_TRUE(std::isnan(median_ratio({1, std::numeric_limits<double>::quiet_NaN()}, {1, 1})));
}

TEST(Interleave, RunsSubjectsInTurnsAndReturnsTheirFigures) {
  std::string order;
  double figure = 0;
  const auto subject = [&](char name) {
    return [&order, &figure, name] {
      order += name;
      return ++figure;
    };
  };
  std::vector<int64_t> progress;
  const auto figures =
      interleave(3, {subject('A'), subject('B')}, [&](int64_t done, int64_t total) {
        EXPECT_EQ(total, 6);
        progress.push_back(done);
      });
  EXPECT_EQ(order, "ABABAB");
  EXPECT_THAT(figures, ElementsAre(ElementsAre(1, 3, 5), ElementsAre(2, 4, 6)));
  EXPECT_THAT(progress, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(Interleave, StopsWhereProgressThrows) {
  int calls = 0;
  const auto stop_at_two = [](int64_t done, int64_t) {
    if (done == 2) throw std::string("stop");
  };
  EXPECT_THROW(interleave(3, {[&] { return static_cast<double>(++calls); }}, stop_at_two),
               std::string);
  EXPECT_EQ(calls, 2);
}

TEST(SecondsPerCall, CallsAtLeastOnceAndNeverReturnsZeroCallsWorth) {
  int calls = 0;
  EXPECT_GE(seconds_per_call(0, [&] { ++calls; }), 0);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace cllm::bench
