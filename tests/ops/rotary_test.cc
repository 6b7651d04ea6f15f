#include "ops/rotary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "reference/rotary.h"
#include "testing_bounds.h"

namespace cllm::ops {
namespace {

using namespace cllm::testing;

struct Case {
  int64_t N, T, heads, D, first, stride;
  std::vector<double> frequencies;
  std::vector<float> cosine, sine;

  Case(int64_t n, int64_t t, int64_t h, int64_t d, int64_t first_position, int64_t gap)
      : N(n), T(t), heads(h), D(d), first(first_position), stride(h * d + gap) {
    for (int64_t i = 0; i < D / 2; ++i)
      frequencies.push_back(
          std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(D)));
    const int64_t positions = first + T;
    cosine.resize(static_cast<size_t>(positions * D / 2));
    sine.resize(cosine.size());
    rotary_tables(positions, frequencies, cosine.data(), sine.data());
  }
  std::vector<float> run(const Context& context, int direction, std::vector<float> packed) const {
    const size_t width = static_cast<size_t>(heads * D), step = static_cast<size_t>(stride);
    std::vector<float> x(static_cast<size_t>(N) * step, 9.0f);
    for (size_t n = 0; n < static_cast<size_t>(N); ++n)
      std::copy_n(packed.data() + n * width, width, x.data() + n * step);
    rotary(context, N, T, heads, D, first, cosine.data(), sine.data(), direction, x.data(), stride);
    for (size_t n = 0; n < static_cast<size_t>(N); ++n) {
      std::copy_n(x.data() + n * step, width, packed.data() + n * width);
      for (size_t i = width; i < step; ++i)
        EXPECT_EQ(x[n * step + i], 9.0f);
    }
    return packed;
  }
};

// Four roundings (two tables, two products) of at most |a| + |b|, and the sum.
constexpr double kUnits = 5;

TEST(Rotary, ForwardAndBackwardMatchTheReference) {
  for (const Case& c :
       {Case(14, 7, 3, 10, 0, 5), Case(6, 6, 1, 34, 11, 0), Case(3, 1, 2, 2, 4, 1)}) {
    const auto count = static_cast<size_t>(c.N * c.heads * c.D);
    const auto x = random_vector(count, 1), dy = random_vector(count, 2);
    const auto truth = [&](const auto& z) {
      return reference::rotary(static_cast<size_t>(c.T), static_cast<size_t>(c.heads),
                               static_cast<size_t>(c.first), c.frequencies, z);
    };
    const auto y = truth(widen(x));
    const auto dx = complex_step_gradient(
        x, [&](const std::vector<Complex>& z) { return inner_product(dy, truth(z)); });
    for_each_context([&](const Context& context) {
      EXPECT_TRUE(all_close(c.run(context, 1, x), y, kUnits * kUnit * 2 * largest(x), 0));
      EXPECT_TRUE(all_close(c.run(context, -1, dy), dx, kUnits * kUnit * 2 * largest(dy), 0));
    });
  }
}

// Angles far from zero: the table must be made in double, where float would lose digits.
TEST(Rotary, TablesAreExactAtFarPositions) {
  const std::vector<double> frequencies = {1.0, 0.37};
  std::vector<float> cosine(2 * 100000), sine(cosine.size());
  rotary_tables(100000, frequencies, cosine.data(), sine.data());
  EXPECT_EQ(cosine[2 * 99999 + 1], static_cast<float>(std::cos(99999 * 0.37)));
  EXPECT_EQ(sine[2 * 99999], static_cast<float>(std::sin(99999.0)));
}

TEST(Rotary, BitsDoNotDependOnThreads) {
  for (const Case& c : {Case(0, 4, 2, 6, 0, 0), Case(130, 13, 4, 64, 0, 7)}) {
    const auto x = random_vector(static_cast<size_t>(c.N * c.heads * c.D), 3);
    expect_same_bits_for_threads([&](const Context& context) { return c.run(context, 1, x); });
  }
}

TEST(RotaryDeathTest, RejectsAnOddHead) {
  ThreadPool pool(1);
  const Context context = {pool, kernels::chosen_table()};
  float x[3] = {};
  EXPECT_DEATH(rotary(context, 1, 1, 1, 3, 0, x, x, 1, x, 3), "D=3");
}

}  // namespace
}  // namespace cllm::ops
