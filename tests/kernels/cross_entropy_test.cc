// Cross-entropy of one row: every table and storage, sizes around the vector width, targets at both
// ends, with and without the soft cap; precision when the model is sure; large vocabularies.
#include "reference/cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "testing_bounds.h"
#include "testing_storage.h"

namespace cllm::testing {
namespace {

template <class S>
class CrossEntropyRows : public ::testing::Test {};
TYPED_TEST_SUITE(CrossEntropyRows, Storages);

struct Truth {
  double loss;
  std::vector<double> gradient;
};

Truth truth_of(const std::vector<float>& logits, int64_t target, double cap, double scale,
               const std::vector<double>& added) {
  const std::vector<int32_t> targets = {static_cast<int32_t>(target)};
  Truth truth;
  truth.loss = reference::cross_entropy(logits.size(), cap, targets, widen(logits), added)[0];
  truth.gradient = complex_step_gradient(logits, [&](const std::vector<Complex>& z) {
    return scale * reference::cross_entropy(logits.size(), cap, targets, z, added)[0];
  });
  return truth;
}

// Everything is relative: z carries 8 units (soft cap) of |z|, which with the rounding of z - max
// is an absolute error in the exponent; then 4 units of exp and the sum's bound. The slope 1 - t^2
// of the cap inherits 16 units of t^2, which count for more where the slope is small.
double relative_bound(const kernels::Table& table, const std::vector<float>& logits, double cap) {
  const double range = cap > 0 ? 8 * cap : 2 * largest(logits);
  const double slope = cap > 0 ? 1 - std::pow(std::tanh(largest(logits) / cap), 2) : 1;
  return 2 * (sum_bound(table) + (16 + 2 * range + 16 / slope) * kUnit);
}

// The loss is fp32 whatever the storage, and a soft cap is not rounded to it on the way.
TYPED_TEST(CrossEntropyRows, LossAndGradientMatchTheReference) {
  using S = TypeParam;
  for_each_table([](const kernels::Table& table) {
    for (const int64_t n : lengths_for(table)) {
      for (const double cap : {0.0, 5.0}) {
        for (const int64_t target : {int64_t{0}, n / 2, n - 1}) {
          if (n == 0 || n > 600) continue;
          SCOPED_TRACE("n=" + std::to_string(n) + " target=" + std::to_string(target) +
                       " cap=" + std::to_string(cap));
          const auto logits = random_stored<S>(static_cast<size_t>(n), 1, 3);
          const Truth truth = truth_of(logits, target, cap, 0.375, {});
          const double bound = relative_bound(table, logits, cap);
          kernels::CrossEntropyRow row = {n, target, static_cast<float>(cap), 0.0f};
          StorageSpan<S> out(logits, static_cast<size_t>(n % 3));
          const float only_loss = table.of<S>().rows.cross_entropy(&row, out.data());
          EXPECT_TRUE(same_bits(out.values(), logits)) << "no gradient wanted, none written";
          row.gradient_scale = 0.375f;
          const float loss = table.of<S>().rows.cross_entropy(&row, out.data());
          EXPECT_EQ(loss, only_loss);
          EXPECT_TRUE(
              all_close(std::vector<float>{loss}, std::vector<double>{truth.loss}, 0, bound));
          // The complex step itself is exact to about 1e-15 of the largest term.
          EXPECT_TRUE(stored_close<S>(out.values(), truth.gradient, 1e-14, bound));
          EXPECT_TRUE(out.intact());
        }
      }
    }
  });
}

// What is added is fp32 and comes after the cap: neither bends it nor rounds it to the storage.
TYPED_TEST(CrossEntropyRows, WhatIsAddedCountsAsItIs) {
  using S = TypeParam;
  for_each_table([](const kernels::Table& table) {
    for (const int64_t n : lengths_for(table)) {
      for (const double cap : {0.0, 5.0}) {
        if (n == 0 || n > 600) continue;
        const int64_t target = n / 3;
        SCOPED_TRACE("n=" + std::to_string(n) + " cap=" + std::to_string(cap));
        const auto logits = random_stored<S>(static_cast<size_t>(n), 1, 3);
        const auto added = random_vector(static_cast<size_t>(n), 7, 6);
        const Truth truth = truth_of(logits, target, cap, 0.375, widen(added));
        const double bound = relative_bound(table, logits, cap) + 4 * largest(added) * kUnit;
        const kernels::CrossEntropyRow row = {n, target, static_cast<float>(cap), 0.375f,
                                              added.data()};
        StorageSpan<S> out(logits, static_cast<size_t>(n % 3));
        const float loss = table.of<S>().rows.cross_entropy(&row, out.data());
        EXPECT_TRUE(all_close(std::vector<float>{loss}, std::vector<double>{truth.loss}, 0, bound));
        EXPECT_TRUE(stored_close<S>(out.values(), truth.gradient, 1e-14, bound));
        EXPECT_TRUE(out.intact());
        const Truth without = truth_of(logits, target, cap, 0.375, {});
        EXPECT_TRUE(n == 1 || std::abs(without.loss - truth.loss) > 1e-3) << "it did not matter";
      }
    }
  });
}

// exp(-40) beside 1 vanishes in fp32; the loss and the target's gradient must still be right.
TEST(CrossEntropyKernel, TinyLossesKeepTheirDigits) {
  for_each_table([](const kernels::Table& table) {
    for (const double margin : {10.0, 20.0, 40.0}) {
      auto logits = random_vector(300, 2);
      for (float& value : logits)
        value = -std::abs(value);
      logits[123] = static_cast<float>(margin);
      double others = 0;
      for (size_t i = 0; i < logits.size(); ++i)
        if (i != 123) others += std::exp(static_cast<double>(logits[i]) - margin);
      const kernels::CrossEntropyRow row = {300, 123, 0.0f, 1.0f};
      const double bound = relative_bound(table, logits, 0);
      const float loss = table.of<float>().rows.cross_entropy(&row, logits.data());
      EXPECT_NEAR(loss / std::log1p(others), 1, bound);
      EXPECT_NEAR(-logits[123] / (others / (1 + others)), 1, bound);
    }
  });
}

// A sum over 50,257 terms must not drift: the bound does not grow with the vocabulary.
TEST(CrossEntropyKernel, LargeVocabulary) {
  const auto logits = random_vector(50257, 3, 4);
  const double expected = reference::cross_entropy(50257, 0.0, {40000}, widen(logits))[0];
  for_each_table([&](const kernels::Table& table) {
    auto out = logits;
    const kernels::CrossEntropyRow row = {50257, 40000, 0.0f, 1.0f};
    const float loss = table.of<float>().rows.cross_entropy(&row, out.data());
    EXPECT_TRUE(all_close(std::vector<float>{loss}, std::vector<double>{expected}, 0,
                          relative_bound(table, logits, 0)));
    double sum = 0;
    for (const float value : out)
      sum += static_cast<double>(value);
    EXPECT_NEAR(sum, 0, relative_bound(table, logits, 0)) << "softmax minus one-hot sums to zero";
  });
}

TEST(CrossEntropyKernel, ExtremeLogits) {
  for_each_table([](const kernels::Table& table) {
    std::vector<float> logits = {1e30f, -1e30f, 0.0f, 1e30f, -3e38f};
    kernels::CrossEntropyRow row = {5, 0, 0.0f, 1.0f};
    EXPECT_NEAR(table.of<float>().rows.cross_entropy(&row, logits.data()), std::log(2.0), 1e-6);
    EXPECT_TRUE(all_close(logits, std::vector<double>{-0.5, 0, 0, 0.5, 0}, 1e-6, 0));
    logits = {100.0f, 0.0f, -std::numeric_limits<float>::infinity()};
    row = {3, 1, 0.0f, 1.0f};
    EXPECT_EQ(table.of<float>().rows.cross_entropy(&row, logits.data()), 100.0f);
    EXPECT_TRUE(all_close(logits, std::vector<double>{1, -1, 0}, 1e-6, 0));
  });
}

TEST(CrossEntropyKernel, ANonFiniteLogitShowsInTheLoss) {
  for_each_table([](const kernels::Table& table) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const int64_t n : {1, 2, 17, 200}) {
        for (const int64_t place : {int64_t{0}, n / 2, n - 1}) {
          for (const float cap : {0.0f, 30.0f}) {
            if (cap > 0 && std::isinf(bad)) continue;  // the cap makes it finite
            auto logits = random_vector(static_cast<size_t>(n), 4);
            logits[static_cast<size_t>(place)] = bad;
            const kernels::CrossEntropyRow row = {n, n / 2, cap, 1.0f};
            EXPECT_FALSE(std::isfinite(table.of<float>().rows.cross_entropy(&row, logits.data())));
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace cllm::testing
