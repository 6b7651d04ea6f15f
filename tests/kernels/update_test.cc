// Optimizer kernels and the sum of squares: every table, lengths around its vector width.
#include "kernels/update.h"

#include <gtest/gtest.h>

#include <cmath>

#include "reference/adamw.h"
#include "testing_bounds.h"

namespace cllm::testing {
namespace {

template <class Body>
void for_each_length(Body body) {
  for_each_table([&](const kernels::Table& table) {
    for (const int64_t n : lengths_for(table)) {
      SCOPED_TRACE("n=" + std::to_string(n));
      body(table, n, static_cast<size_t>(n % 4));
    }
  });
}

// m and v round three times each; sqrt, product, sum, division and two more roundings follow:
// 16 units of the step's size, two of the weight.
TEST(UpdateKernels, AdamWMatchesTheReference) {
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto size = static_cast<size_t>(n);
    const auto g = random_vector(size, 1), w = random_vector(size, 2),
               m = random_vector(size, 3, 0.1);
    auto v = random_vector(size, 4, 0.3);
    for (float& value : v)
      value = 0.1f + value * value;
    const double lr = 1e-2, c1 = 1 - std::pow(0.9, 3), c2 = 1 - std::pow(0.999, 3);
    reference::AdamWState expected = {widen(w), widen(m), widen(v)};
    std::vector<double> scaled;
    for (const float value : g)
      scaled.push_back(0.5 * static_cast<double>(value));
    reference::adamw(0.9, 0.999, 1e-8, 0.1, 3, lr, scaled, expected);
    kernels::AdamWUpdate update = {};
    update.gradient_scale = 0.5f;
    update.decay = static_cast<float>(lr * 0.1);
    update.first_rate = static_cast<float>(1 - 0.9);
    update.second_rate = static_cast<float>(1 - 0.999);
    update.root_correction = static_cast<float>(1 / std::sqrt(c2));
    update.epsilon = 1e-8f;
    update.step_size = static_cast<float>(lr / c1);
    GuardedSpan weights(w, offset), first(m, offset), second(v, offset);
    table.update.adamw(&update, n, g.data(), weights.data(), first.data(), second.data());
    const double moments = std::max(largest(m), largest(g));
    const double largest_step = lr / c1 * moments / std::sqrt(0.1 / c2);
    EXPECT_TRUE(all_close(first.values(), expected.first, 3 * kUnit * moments, 0));
    EXPECT_TRUE(all_close(second.values(), expected.second, 0, 6 * kUnit));
    EXPECT_TRUE(
        all_close(weights.values(), expected.weights, 16 * kUnit * largest_step, 2 * kUnit));
    EXPECT_TRUE(weights.intact() && first.intact() && second.intact());
  });
}

TEST(UpdateKernels, SgdMatchesTheFormula) {
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto size = static_cast<size_t>(n);
    const auto g = random_vector(size, 5), w = random_vector(size, 6), u = random_vector(size, 7);
    std::vector<double> velocity, weights;
    for (size_t i = 0; i < size; ++i) {
      velocity.push_back(0.75 * static_cast<double>(u[i]) + 0.5 * static_cast<double>(g[i]));
      const double wide = static_cast<double>(w[i]);
      weights.push_back(wide - 0.25 * wide - 0.125 * velocity[i]);
    }
    const kernels::SgdUpdate update = {0.5f, 0.75f, 0.25f, 0.125f};
    GuardedSpan p(w, offset), q(u, offset);
    table.update.sgd(&update, n, g.data(), p.data(), q.data());
    const double scale = largest(g) + largest(u) + largest(w);
    EXPECT_TRUE(all_close(q.values(), velocity, 2 * kUnit * scale, 0));
    EXPECT_TRUE(all_close(p.values(), weights, 4 * kUnit * scale, 0));
    EXPECT_TRUE(p.intact() && q.intact());
  });
}

TEST(UpdateKernels, SumOfSquaresIsWithinItsBound) {
  for_each_table([](const kernels::Table& table) {
    for (const int64_t n : {0, 1, 2, 31, 511, 512, 513, 16384, 100003}) {
      const auto x = random_vector(static_cast<size_t>(n), 8);
      double expected = 0;
      for (const float value : x)
        expected += static_cast<double>(value) * static_cast<double>(value);
      const double actual = table.update.sum_of_squares(n, x.data());
      EXPECT_TRUE(all_close(std::vector<double>{actual}, std::vector<double>{expected}, 0,
                            sum_bound(table)));
    }
  });
}

// Equal terms round the same way every time, so a sum kept in one float drifts by thousands of
// units.
TEST(UpdateKernels, SumOfSquaresDoesNotDriftWithLength) {
  const std::vector<float> x(3000000, 0.1f);
  const double expected = 3000000 * static_cast<double>(0.1f) * static_cast<double>(0.1f);
  for_each_table([&](const kernels::Table& table) {
    const double actual = table.update.sum_of_squares(3000000, x.data());
    EXPECT_TRUE(
        all_close(std::vector<double>{actual}, std::vector<double>{expected}, 0, sum_bound(table)));
  });
}

TEST(UpdateKernels, SumOfSquaresShowsNonFiniteNumbersAnywhere) {
  for_each_table([](const kernels::Table& table) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      for (const size_t place : {0, 500, 512, 1030, 1032}) {
        auto x = random_vector(1033, 9);
        x[place] = bad;
        EXPECT_FALSE(std::isfinite(table.update.sum_of_squares(1033, x.data())));
      }
    }
  });
}

}  // namespace
}  // namespace cllm::testing
