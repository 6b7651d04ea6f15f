#include "ops/cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reference/cross_entropy.h"
#include "testing_bounds.h"

namespace cllm::ops {
namespace {

using namespace cllm::testing;

struct Case {
  size_t N, V;
  std::vector<int32_t> targets;
  std::vector<float> logits;
  Case(size_t n, size_t v)
      : N(n),
        V(v),
        targets(random_tokens(n, static_cast<int32_t>(v), 1)),
        logits(random_vector(n * v, 2, 2)) {
    for (size_t i = 0; i < n; i += 4)
      targets[i] = -1;
  }
  // Losses, then the logits as they are left.
  std::vector<float> run(const Context& context, float cap, float scale) const {
    std::vector<float> losses(N, std::nanf("")), out = logits;
    cross_entropy(context, static_cast<int64_t>(N), static_cast<int64_t>(V), cap, targets.data(),
                  scale, out.data(), losses.data());
    losses.insert(losses.end(), out.begin(), out.end());
    return losses;
  }
};

// The bound of tests/kernels/cross_entropy_test.cc.
double bound_of(const Context& context, const Case& c, double cap) {
  const double range = cap > 0 ? 8 * cap : 2 * largest(c.logits);
  const double slope = cap > 0 ? 1 - std::pow(std::tanh(largest(c.logits) / cap), 2) : 1;
  return 2 * (sum_bound(context.kernels) + (16 + 2 * range + 16 / slope) * kUnit);
}

TEST(CrossEntropy, LossesAndGradientsMatchTheReference) {
  const Case c(9, 23);
  for (const float cap : {0.0f, 7.0f}) {
    const float scale = 0.2f;
    const auto wide_cap = static_cast<double>(cap);
    const std::vector<double> losses =
        reference::cross_entropy(c.V, wide_cap, c.targets, widen(c.logits));
    const auto gradient = complex_step_gradient(c.logits, [&](const std::vector<Complex>& z) {
      Complex sum = 0;
      for (const Complex& loss : reference::cross_entropy(c.V, wide_cap, c.targets, z))
        sum += static_cast<double>(scale) * loss;
      return sum;
    });
    for_each_context([&](const Context& context) {
      const auto all = c.run(context, cap, scale);
      const auto split = all.begin() + static_cast<ptrdiff_t>(c.N);
      const double bound = bound_of(context, c, wide_cap);
      EXPECT_TRUE(all_close(std::vector<float>(all.begin(), split), losses, 0, bound));
      EXPECT_TRUE(all_close(std::vector<float>(split, all.end()), gradient, 1e-14, bound));
    });
  }
}

// Every row has its own; those that are ignored are not read.
TEST(CrossEntropy, AddsToEveryRow) {
  const Case c(9, 23);
  std::vector<float> added = random_vector(c.N * c.V, 6, 4);
  const std::vector<double> losses =
      reference::cross_entropy(c.V, 7, c.targets, widen(c.logits), widen(added));
  for (size_t n = 0; n < c.N; ++n)
    if (c.targets[n] == -1) added[n * c.V] = std::nanf("");
  for_each_context([&](const Context& context) {
    std::vector<float> out = c.logits, got(c.N);
    cross_entropy(context, 9, 23, 7.0f, c.targets.data(), 0.2f, out.data(), got.data(),
                  added.data());
    EXPECT_TRUE(all_close(got, losses, 0, bound_of(context, c, 7) + 16 * kUnit));
  });
}

TEST(CrossEntropy, IgnoredRowsAreZeroAndNoScaleMeansNoWrite) {
  const Case c(9, 23);
  for_each_context([&](const Context& context) {
    const auto with = c.run(context, 0.0f, 1.0f), without = c.run(context, 0.0f, 0.0f);
    for (size_t n = 0; n < c.N; ++n) {
      EXPECT_EQ(with[n], without[n]);
      if (c.targets[n] == -1) {
        EXPECT_EQ(with[n], 0.0f);
        for (size_t v = 0; v < c.V; ++v)
          EXPECT_EQ(with[c.N + n * c.V + v], 0.0f);
      }
    }
    EXPECT_TRUE(same_bits(std::vector<float>(without.begin() + 9, without.end()), c.logits));
  });
}

TEST(CrossEntropy, BitsDoNotDependOnThreads) {
  for (const Case& c : {Case(0, 3), Case(1, 1), Case(50, 65), Case(5, 5003)}) {
    for (const float cap : {0.0f, 30.0f})
      expect_same_bits_for_threads(
          [&](const Context& context) { return c.run(context, cap, 0.125f); });
  }
}

TEST(CrossEntropy, SumIsInDoubleAndShowsNan) {
  std::vector<float> losses(1000000, 1.1f);
  losses[0] = 1e8f;
  EXPECT_DOUBLE_EQ(sum_losses(1000000, losses.data()), 1e8 + 999999 * static_cast<double>(1.1f));
  losses[77] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(std::isfinite(sum_losses(1000000, losses.data())));
  EXPECT_EQ(sum_losses(0, nullptr), 0);
}

TEST(CrossEntropy, SoftcapMatchesTanh) {
  const auto x = random_vector(3 * 5003, 3, 40);
  std::vector<double> expected;
  for (const float v : x)
    expected.push_back(30 * std::tanh(static_cast<double>(v) / 30));
  for_each_context([&](const Context& context) {
    auto y = x;
    softcap(context, 3, 5003, 30.0f, y.data());
    EXPECT_TRUE(all_close(y, expected, 0, 8 * kUnit));
  });
}

TEST(CrossEntropyDeathTest, RejectsATargetOutsideTheVocabulary) {
  ThreadPool pool(1);
  const Context context = {pool, kernels::chosen_table()};
  std::vector<float> logits(4), losses(1);
  for (const int32_t target : {-2, 4})
    EXPECT_DEATH(cross_entropy(context, 1, 4, 0.0f, &target, 1.0f, logits.data(), losses.data()),
                 "V=4");
}

}  // namespace
}  // namespace cllm::ops
