#include "ops/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/row_blocks.h"
#include "reference/elementwise.h"
#include "testing_bounds.h"

namespace cllm::ops {
namespace {

using namespace cllm::testing;

// Around one chunk of 8192 elements and past several.
const std::vector<size_t> kCounts = {0, 1, 37, 8191, 8192, 8193, 30001};

TEST(Elementwise, FillAndAdd) {
  for (const size_t count : kCounts) {
    const auto a = random_vector(count, 1), b = random_vector(count, 2);
    std::vector<float> sum(count);
    for (size_t i = 0; i < count; ++i)
      sum[i] = a[i] + b[i];
    const auto n = static_cast<int64_t>(count);
    for_each_context([&](const Context& context) {
      GuardedSpan out(a, 1), in_place(a, 2);
      add(context, n, a.data(), b.data(), out.data());
      add(context, n, in_place.data(), b.data(), in_place.data());
      EXPECT_TRUE(same_bits(out.values(), sum) && same_bits(in_place.values(), sum));
      fill_zero(context, n, out.data());
      EXPECT_TRUE(same_bits(out.values(), std::vector<float>(count, 0.0f)));
      EXPECT_TRUE(out.intact() && in_place.intact());
    });
  }
}

// A column of N rows: at most 32 / 4 + 3 additions in a block and 64 blocks, 76 units of the sum of
// magnitudes.
TEST(Elementwise, ColumnSumMatchesAndAccumulates) {
  for (const auto& [N, C] :
       std::vector<std::pair<size_t, size_t>>{{0, 3}, {1, 1}, {33, 70}, {1500, 129}}) {
    const size_t stride = C + 5;
    const auto x = random_vector(N * stride, 3);
    std::vector<double> expected(C, 1.0), magnitude(C, 1.0);
    for (size_t n = 0; n < N; ++n) {
      for (size_t c = 0; c < C; ++c) {
        expected[c] += static_cast<double>(x[n * stride + c]);
        magnitude[c] += std::abs(static_cast<double>(x[n * stride + c]));
      }
    }
    const auto run = [&, rows = N, width = C](const Context& context) {
      const auto n = static_cast<int64_t>(rows), c = static_cast<int64_t>(width);
      std::vector<float> out(width, 1.0f);
      std::vector<float> scratch(static_cast<size_t>(column_sum_scratch(n, c)), std::nanf(""));
      column_sum(context, n, c, x.data(), static_cast<int64_t>(stride), out.data(), scratch.data());
      return out;
    };
    for_each_context([&](const Context& context) {
      EXPECT_TRUE(all_close(run(context), expected, 76 * kUnit * largest(magnitude), 0));
    });
    expect_same_bits_for_threads(run);
  }
}

TEST(Elementwise, RowBlocksCoverEveryRowOnce) {
  for (const int64_t N : {0, 1, 15, 16, 17, 1023, 1024, 1025, 8192, 100001}) {
    const RowBlocks cut(N);
    EXPECT_LE(cut.blocks, kMaxRowBlocks);
    int64_t next = 0;
    for (int64_t block = 0; block < cut.blocks; ++block) {
      EXPECT_EQ(cut.begin(block), next);
      EXPECT_GT(cut.end(block), next);
      next = cut.end(block);
    }
    EXPECT_EQ(next, N);
  }
}

TEST(Dropout, IsOneMaskForEveryTableThreadCountAndCut) {
  const DropoutKey key = {987654321987654321u, 1234, 9};
  const size_t count = 30001;
  const auto x = random_vector(count, 4);
  const float p = 0.2f;
  const auto scale = static_cast<float>(1 / (1 - static_cast<double>(p)));
  std::vector<float> expected(count);
  for (size_t i = 0; i < count; ++i)
    expected[i] = reference::dropout_keeps(static_cast<double>(p), key.seed, 1234, 9, i)
                      ? x[i] * scale
                      : 0.0f;
  for_each_context([&](const Context& context) {
    std::vector<float> out(count), in_place = x;
    dropout(context, static_cast<int64_t>(count), p, key, x.data(), out.data());
    dropout(context, static_cast<int64_t>(count), p, key, in_place.data(), in_place.data());
    EXPECT_TRUE(same_bits(out, expected));
    EXPECT_TRUE(same_bits(in_place, expected));
  });
}

TEST(Dropout, KeepsItsShareAndDiffersByKey) {
  ThreadPool pool(2);
  const Context context = {pool, kernels::chosen_table()};
  const int64_t count = 100000;
  const std::vector<float> ones(static_cast<size_t>(count), 1.0f);
  const auto mask = [&](float p, DropoutKey key) {
    std::vector<float> out(ones.size());
    dropout(context, count, p, key, ones.data(), out.data());
    return out;
  };
  const auto kept = [](const std::vector<float>& m) {
    return static_cast<double>(std::count_if(m.begin(), m.end(), [](float v) { return v != 0; }));
  };
  for (const float p : {0.1f, 0.5f, 0.9f}) {
    const double q = 1 - static_cast<double>(p);  // five standard deviations of a binomial
    EXPECT_NEAR(kept(mask(p, {1, 2, 3})), count * q, 5 * std::sqrt(count * q * (1 - q)));
  }
  EXPECT_EQ(mask(0.0f, {1, 2, 3}), ones);
  const auto base = mask(0.5f, {1, 2, 3});
  EXPECT_NE(base, mask(0.5f, {2, 2, 3}));
  EXPECT_NE(base, mask(0.5f, {uint64_t{1} << 32 | 1, 2, 3}));
  EXPECT_NE(base, mask(0.5f, {1, 3, 3}));
  EXPECT_NE(base, mask(0.5f, {1, 2, 4}));
}

// A long run of many shards gets there; it must neither stop nor see its first masks again.
TEST(Dropout, GoesOnBeyondTheStepsOfTheGenerator) {
  ThreadPool pool(1);
  const Context context = {pool, kernels::chosen_table()};
  const auto mask = [&](uint64_t step) {
    std::vector<float> out(1000, 1.0f);
    dropout(context, 1000, 0.5f, {7, step, 3}, out.data(), out.data());
    return out;
  };
  const uint64_t beyond = uint64_t{1} << 32;
  EXPECT_EQ(mask(beyond + 5), mask(beyond + 5));
  for (const uint64_t step : {uint64_t{5}, 2 * beyond + 5, beyond + 4, beyond << 31 | 5})
    EXPECT_NE(mask(beyond + 5), mask(step)) << step;
}

TEST(DropoutDeathTest, RejectsAProbabilityOfOne) {
  ThreadPool pool(1);
  const Context context = {pool, kernels::chosen_table()};
  float x = 1;
  EXPECT_DEATH(dropout(context, 1, 1.0f, {}, &x, &x), "p=1");
}

// Tolerances as in tests/kernels/rows_test.cc.
TEST(Swiglu, MatchesTheReference) {
  const size_t N = 7, F = 19;
  const auto gate_up = random_vector(N * 2 * F, 5, 2);
  const auto y = reference::swiglu(F, widen(gate_up));
  for_each_context([&](const Context& context) {
    std::vector<float> out(N * F);
    swiglu_forward(context, N, F, gate_up.data(), out.data());
    EXPECT_TRUE(all_close(out, y, 0, 8 * kUnit));
  });
}

TEST(Swiglu, BitsDoNotDependOnThreads) {
  for (const auto& [N, F] : std::vector<std::pair<size_t, size_t>>{{0, 3}, {1, 1}, {301, 130}}) {
    const auto gate_up = random_vector(N * 2 * F, 7);
    const auto n = static_cast<int64_t>(N), f = static_cast<int64_t>(F);
    expect_same_bits_for_threads([&](const Context& context) {
      std::vector<float> out(static_cast<size_t>(n * f));
      swiglu_forward(context, n, f, gate_up.data(), out.data());
      return out;
    });
  }
}

}  // namespace
}  // namespace cllm::ops
