#include "ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/attention_problem.h"

namespace cllm::ops {
namespace {

using testing::Complex;

TEST(AttentionReference, BackwardIsTheComplexStepOfForward) {
  for (const float dropout : {0.0f, 0.3f}) {
    const Case c(2, 5, 5, 4, 2, 3, dropout);
    const auto a = c.reference();
    const auto g =
        reference::attention_backward(a, widen(c.q), widen(c.k), widen(c.v), widen(c.dout));
    const auto q = widen<Complex>(c.q), k = widen<Complex>(c.k), v = widen<Complex>(c.v);
    const auto loss = [&](const auto& x, const auto& y, const auto& z) {
      return testing::inner_product(c.dout, reference::attention_forward(a, x, y, z));
    };
    const auto by_q = testing::complex_step_gradient(c.q, [&](auto& x) { return loss(x, k, v); });
    const auto by_k = testing::complex_step_gradient(c.k, [&](auto& x) { return loss(q, x, v); });
    const auto by_v = testing::complex_step_gradient(c.v, [&](auto& x) { return loss(q, k, x); });
    // Double rounding on sums of about 20 terms of size 1 to 10.
    EXPECT_TRUE(all_close(g.dq, by_q, 1e-13, 1e-13));
    EXPECT_TRUE(all_close(g.dk, by_k, 1e-13, 1e-13));
    EXPECT_TRUE(all_close(g.dv, by_v, 1e-13, 1e-13));
  }
}

TEST(Attention, MatchesReferenceForLengthsAroundTiles) {
  for (const int64_t T : {1, 2, 3, 4, 15, 16, 17, 63, 64, 65, 130})
    expect_matches_reference(Case(2, T, T, 2, 2, 16));
}

TEST(Attention, MatchesReferenceForEveryHeadSize) {
  for (const int64_t D : {1, 2, 3, 5, 8, 15, 17, 31, 32, 33, 48, 64, 80, 96, 100, 128, 255, 256})
    expect_matches_reference(Case(1, 70, 70, 4, 4, D));
}

TEST(Attention, MatchesReferenceWithGroupedHeads) {
  expect_matches_reference(Case(1, 100, 100, 8, 2, 24));  // few pairs: cut by block
  expect_matches_reference(Case(1, 200, 200, 3, 1, 8));   // and an even number of blocks
  expect_matches_reference(Case(2, 100, 100, 8, 2, 24));  // many pairs: cut by head
  expect_matches_reference(Case(3, 40, 40, 6, 3, 7));
}

TEST(Attention, MatchesReferenceWithMoreKeysThanQueries) {
  for (const int64_t T : {1, 2, 3, 4, 20, 65})
    for (const int64_t S : {65, 70, 128, 129, 300})
      expect_matches_reference(Case(2, T, S, 4, 2, 20));
}

TEST(Attention, MatchesReferenceWithDropout) {
  for (const int64_t T : {1, 2, 17, 64, 67, 130})
    expect_matches_reference(Case(2, T, T, 4, 2, 16, 0.25f));
  expect_matches_reference(Case(1, 130, 130, 2, 1, 16, 0.5f));
  expect_matches_reference(Case(1, 3, 50, 2, 2, 16, 0.5f));
}

TEST(Attention, VerifierRejectsSmallMistakes) {
  const Case c(1, 70, 70, 2, 2, 32);
  ThreadPool pool(1);
  const Results r = run({pool, kernels::chosen_table()}, c);
  const Bounds bounds(c);
  Expected shifted(c);
  for (double& x : shifted.g.dk)
    x *= 1.01;
  EXPECT_FALSE(all_close(r.dk, shifted.g.dk, bounds.dk, 0));
  Case scaled = c;
  scaled.shape.scale *= 1.001f;
  const Expected wrong(scaled);
  EXPECT_FALSE(all_close(r.out, wrong.out, bounds.out, 0));
  EXPECT_FALSE(all_close(r.dq, wrong.g.dq, bounds.dq, 0));
  Case unmasked(1, 70, 71, 2, 2, 32);  // every query sees one key too many
  std::copy(c.k.begin(), c.k.end(), unmasked.k.begin());
  std::copy(c.v.begin(), c.v.end(), unmasked.v.begin());
  EXPECT_FALSE(all_close(r.out, Expected(unmasked).out, bounds.out, 0));
  Case other_mask(1, 70, 70, 2, 2, 32, 0.1f), same_rate = other_mask;
  same_rate.shape.dropout_key.step += 1;
  EXPECT_FALSE(all_close(run({pool, kernels::chosen_table()}, other_mask).out,
                         Expected(same_rate).out, bounds.out, 0));
}

TEST(Attention, ExtremeScoresGiveTheLimit) {
  ThreadPool pool(1);
  testing::for_each_table([&](const kernels::Table& table) {
    for (const int64_t T : {1, 2, 40, 130})
      for (const float size : {1e4f, -1e4f, 0.0f}) {
        Case c(1, T, T, 1, 1, 8);
        c.shape.scale = 1;
        // Scores +-1e4 * (s + 1): huge distances; size 0: all equal, the mean of what is seen.
        for (size_t i = 0; i < c.q.size(); ++i) {
          c.q[i] = i % 8 == 0 ? 1.0f : 0.0f;
          c.k[i] = i % 8 == 0 ? size * static_cast<float>(i / 8 + 1) : 0.0f;
        }
        const Results r = run({pool, table}, c);
        const Expected e(c);
        // exp underflows exactly as the limit asks; what remains is the sum of up to T values.
        const double bound = 4 * (std::sqrt(static_cast<double>(T)) + 16) * kUnit * largest(c.v);
        EXPECT_TRUE(all_close(r.out, e.out, bound, 0));
        EXPECT_TRUE(all_close(r.log_sum_exp, e.log_sum_exp, 1e-6, 2 * kUnit));
        EXPECT_TRUE(all_close(r.dv, e.g.dv, bound * 16, 16 * kUnit));
        for (const float x : r.all())
          EXPECT_TRUE(std::isfinite(x));
      }
  });
}

TEST(Attention, NotANumberReachesTheOutput) {
  ThreadPool pool(1);
  testing::for_each_table([&](const kernels::Table& table) {
    for (const int64_t T : {1, 3, 20, 100}) {
      Case c(1, T, T, 1, 1, 8);
      c.k[static_cast<size_t>(T / 2) * 8] = std::numeric_limits<float>::quiet_NaN();
      const Results r = run({pool, table}, c);
      for (size_t i = 0; i < r.out.size(); ++i)
        EXPECT_EQ(std::isnan(r.out[i]), static_cast<int64_t>(i) / 8 >= T / 2) << i;
      for (size_t i = 0; i < 8; ++i)
        EXPECT_TRUE(std::isnan(r.dv[i]));
    }
  });
}

TEST(AttentionDeathTest, RefusesShapesThatMakeNoSense) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  Case c(1, 4, 4, 3, 3, 4);
  c.shape.K = 2;
  EXPECT_DEATH(run(context, c), "H=3 K=2");
  Case d(1, 4, 6, 1, 1, 4);
  EXPECT_DEATH(
      attention_backward(context, d.shape, {}, {}, {}, {}, nullptr, {}, {}, {}, {}, nullptr),
      "6 vs 4");
}

}  // namespace
}  // namespace cllm::ops
