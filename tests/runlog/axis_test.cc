#include "runlog/axis.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cllm {
namespace {

using Labels = std::vector<std::string>;

TEST(Axis, TicksAreAtSteps125) {
  EXPECT_EQ(tick_labels(value_axis(1.6, 4.3, 6)),
            (Labels{"1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"}));
  EXPECT_EQ(tick_labels(value_axis(0, 41500, 3)), (Labels{"0", "20k", "40k", "60k"}));
  EXPECT_EQ(tick_labels(position_axis(0, 2000, 8)), (Labels{"0", "500", "1000", "1500", "2000"}));
  EXPECT_EQ(tick_labels(value_axis(-1, 1, 4)), (Labels{"-1.0", "-0.5", "0", "0.5", "1.0"}));
}

// Whatever the range, a value axis covers it (but for the rounding of its ticks), and has a
// drawable number of different labels.
TEST(Axis, AnyRangeGivesAUsableAxis) {
  for (const double low : {-1e30, -3.7, 0.0, 1e-30, 0.1, 123456.789, 1e18, 1e30}) {
    for (const double span : {0.0, 1e-20, 1e-3, 0.7, 1e4, 1e30}) {
      for (int target = 2; target <= 8; ++target) {
        const Axis axis = value_axis(low, low + span, target);
        const double slack = 1e-5 * (axis.high - axis.low);
        ASSERT_TRUE(axis.low <= low + slack && low + span <= axis.high + slack)
            << low << " " << span;
        ASSERT_LT(axis.low, axis.high) << low << " " << span;
        ASSERT_TRUE(axis.ticks.size() >= 2 && axis.ticks.size() <= 16) << low << " " << span;
        for (size_t i = 1; i < axis.ticks.size(); ++i)
          ASSERT_LT(axis.ticks[i - 1], axis.ticks[i]);
        ASSERT_EQ(tick_labels(axis).size(), axis.ticks.size());
      }
    }
  }
}

TEST(Axis, SmallNumbersTakeAPowerOut) {
  EXPECT_EQ(axis_exponent({0, 1e-3, {}}), -3);
  EXPECT_EQ(axis_exponent({0, 6e-4, {}}), -4);
  EXPECT_EQ(axis_exponent({0, 1, {}}), 0);
  EXPECT_EQ(axis_exponent({0, 0, {}}), 0);
  EXPECT_EQ(superscript(-13), "⁻¹³");
}

}  // namespace
}  // namespace cllm
