// Elementary functions of every instruction set, seen through the kernels that expose them.
#include <gtest/gtest.h>

#include <cmath>

#include "testing_bounds.h"

namespace cllm::testing {
namespace {

// softcap with cap 1 is tanh itself: 4 units of roundoff for tanh, and the division by 1 and the
// multiplication by 1 are exact.
TEST(Math, TanhIsRelativelyExact) {
  std::vector<float> x;
  for (float v = 1e-30f; v < 100; v *= 1.003f) {
    x.push_back(v);
    x.push_back(-v);
  }
  std::vector<double> expected;
  for (const float v : x)
    expected.push_back(std::tanh(static_cast<double>(v)));
  for_each_table([&](const kernels::Table& table) {
    std::vector<float> y = x;
    table.of<float>().rows.softcap(static_cast<int64_t>(y.size()), 1.0f, y.data());
    EXPECT_TRUE(all_close(y, expected, 0, 4 * kUnit));
    double worst = 0;
    for (size_t i = 0; i < y.size(); ++i)
      worst = std::max(worst, std::abs(static_cast<double>(y[i]) / expected[i] - 1) / kUnit);
    RecordProperty(std::string("tanh_units_") + table.name, std::to_string(worst));
  });
}

TEST(Math, TanhOfSpecialValues) {
  const float infinity = std::numeric_limits<float>::infinity();
  for_each_table([&](const kernels::Table& table) {
    std::vector<float> y = {0.0f, infinity, -infinity, std::numeric_limits<float>::quiet_NaN()};
    table.of<float>().rows.softcap(4, 1.0f, y.data());
    EXPECT_EQ(y[0], 0.0f);
    EXPECT_EQ(y[1], 1.0f);
    EXPECT_EQ(y[2], -1.0f);
    EXPECT_TRUE(std::isnan(y[3]));
  });
}

}  // namespace
}  // namespace cllm::testing
