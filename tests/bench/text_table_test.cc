#include "bench/text_table.h"

#include <gtest/gtest.h>

#include <limits>

namespace cllm::bench {
namespace {

TEST(TextTable, AlignsTheFirstColumnLeftAndTheOthersRight) {
  EXPECT_EQ(text_table({{"name", "value"}, {"a", "1"}, {"longer", "1234567"}}),
            "name      value\n"
            "a             1\n"
            "longer  1234567\n");
}

TEST(TextTable, TakesRowsOfAnyLengthAndCountsCodePoints) {
  EXPECT_EQ(text_table({{"µ", "x"}, {"ab"}, {}}), "µ   x\nab\n\n");
}

TEST(FormatFigure, ShowsThreeSignificantDigits) {
  EXPECT_EQ(format_figure(0), "0");
  EXPECT_EQ(format_figure(0.01234), "0.012");
  EXPECT_EQ(format_figure(0.9996), "1.00");
  EXPECT_EQ(format_figure(9.996), "10.0");
  EXPECT_EQ(format_figure(99.96), "100");
  EXPECT_EQ(format_figure(-12345.6), "-12346");
  EXPECT_EQ(format_figure(1.5e-5), "1.50e-05");
  EXPECT_EQ(format_figure(std::numeric_limits<double>::quiet_NaN()), "?");
}

}  // namespace
}  // namespace cllm::bench
