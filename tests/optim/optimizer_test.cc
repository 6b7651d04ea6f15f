#include "optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reference/adamw.h"
#include "testing_bounds.h"

namespace cllm::optim {
namespace {

using namespace cllm::testing;

constexpr size_t kCount = 50000;
// Spans that cross the 16384-element cuts, leave gaps, touch, and are empty.
const std::vector<ParameterSpan> kSpans = {
    {3, 100, true}, {103, 20000, false}, {30000, 0, true}, {30001, 19990, true}};

bool inside(size_t i, bool* decays) {
  for (const ParameterSpan& span : kSpans) {
    if (static_cast<int64_t>(i) >= span.begin &&
        static_cast<int64_t>(i) < span.begin + span.count) {
      *decays = span.decays;
      return true;
    }
  }
  return false;
}

struct Arena {
  std::vector<float> weights = random_vector(kCount, 1), first = std::vector<float>(kCount),
                     second = std::vector<float>(kCount);
  std::vector<float> all() const {
    std::vector<float> out = weights;
    out.insert(out.end(), first.begin(), first.end());
    out.insert(out.end(), second.begin(), second.end());
    return out;
  }
};

constexpr int kSteps = 8;

std::vector<float> gradients_of(int step) {
  return random_vector(kCount, static_cast<uint64_t>(100 + step), 0.3);
}

double rate_of(int step) {
  return 1e-3 * (step + 1);
}

void sgd_step(const ops::Context& context, const Sgd& options, std::span<const ParameterSpan> spans,
              double learning_rate, float gradient_scale, const float* gradients, float* weights,
              float* velocity) {
  ElementwiseUpdate(context.kernels, options, spans, learning_rate, gradient_scale)
      .apply_to_all(context, {gradients, weights, velocity, nullptr});
}

Arena run_adamw(const ops::Context& context, const AdamW& options) {
  Arena arena;
  for (int step = 0; step < kSteps; ++step)
    adamw_step(context, options, kSpans, step + 1, rate_of(step), 0.5f, gradients_of(step).data(),
               arena.weights.data(), arena.first.data(), arena.second.data());
  return arena;
}

// Each step moves a weight by about its rate and errs by about 16 units of that (see the kernel's
// test) and 2 units of the weight; beta2 0.999 is the value whose complement float cannot hold.
TEST(AdamW, MatchesTheReferenceOverSteps) {
  const AdamW options = {0.9, 0.999, 1e-8, 0.1};
  reference::AdamWState decayed = {widen(random_vector(kCount, 1)), std::vector<double>(kCount),
                                   std::vector<double>(kCount)};
  reference::AdamWState plain = decayed;
  double moved = 0;
  for (int step = 0; step < kSteps; ++step) {
    std::vector<double> g = widen(gradients_of(step));
    for (double& value : g)
      value *= 0.5;
    reference::adamw(0.9, 0.999, 1e-8, 0.1, step + 1, rate_of(step), g, decayed);
    reference::adamw(0.9, 0.999, 1e-8, 0.0, step + 1, rate_of(step), g, plain);
    moved += rate_of(step);
  }
  const auto start = random_vector(kCount, 1);
  std::vector<double> weights, first, second;
  for (size_t i = 0; i < kCount; ++i) {
    bool decays = false;
    const bool used = inside(i, &decays);
    const reference::AdamWState& truth = decays ? decayed : plain;
    weights.push_back(used ? truth.weights[i] : static_cast<double>(start[i]));
    first.push_back(used ? truth.first[i] : 0);
    second.push_back(used ? truth.second[i] : 0);
  }
  for_each_context([&](const ops::Context& context) {
    const Arena arena = run_adamw(context, options);
    const double tolerance = 40 * kUnit * moved + 2 * kSteps * kUnit * largest(start);
    EXPECT_TRUE(all_close(arena.weights, weights, tolerance, 0));
    EXPECT_TRUE(all_close(arena.first, first, 3 * kSteps * kUnit * 0.5, 0));
    EXPECT_TRUE(all_close(arena.second, second, 0, 6 * kSteps * kUnit));
  });
}

TEST(AdamW, LeavesGapsUntouchedAndBitsDoNotDependOnThreads) {
  const Arena fresh;
  expect_same_bits_for_threads([&](const ops::Context& context) {
    const Arena arena = run_adamw(context, {});
    for (size_t i = 0; i < kCount; ++i) {
      bool decays = false;
      if (!inside(i, &decays)) {
        EXPECT_EQ(arena.weights[i], fresh.weights[i]);
      }
    }
    return arena.all();
  });
}

TEST(ElementwiseUpdate, CutsDoNotShow) {
  for_each_context([](const ops::Context& context) {
    const std::vector<float> g = gradients_of(3);
    Arena whole, cut, velocity, velocity_cut;
    const ElementwiseUpdate adamw(context.kernels, AdamW{}, kSpans, 3, 1e-2, 0.5f);
    const ElementwiseUpdate sgd(context.kernels, Sgd{0.9, 0.1}, kSpans, 1e-2, 0.5f);
    const auto arenas = [&](Arena& arena) {
      return UpdateArenas{g.data(), arena.weights.data(), arena.first.data(), arena.second.data()};
    };
    adamw.apply_to_all(context, arenas(whole));
    sgd.apply_to_all(context, arenas(velocity));
    for (int64_t begin = 0; begin < static_cast<int64_t>(kCount); begin += 777) {
      const int64_t end = std::min<int64_t>(begin + 777, kCount);
      adamw.apply(begin, end, arenas(cut));
      sgd.apply(begin, end, arenas(velocity_cut));
    }
    EXPECT_TRUE(same_bits(cut.all(), whole.all()));
    EXPECT_TRUE(same_bits(velocity_cut.all(), velocity.all()));
    EXPECT_FALSE(same_bits(whole.all(), velocity.all()));
  });
}

// A span's own rate is the learning rate of its elements, decay included; its second moments may
// lie elsewhere.
TEST(AdamW, SpansHaveTheirRatesAndPlaces) {
  constexpr size_t kSpan = 30;
  ThreadPool pool(2);
  const ops::Context context = {pool, kernels::chosen_table()};
  const std::vector<float> g = random_vector(2 * kSpan, 5), start = random_vector(2 * kSpan, 6);
  std::vector<float> w = start, m(2 * kSpan), v(kSpan);
  adamw_step(context, {}, std::vector<ParameterSpan>{{kSpan, kSpan, true, 0.25, kSpan}}, 1, 0.4,
             1.0f, g.data(), w.data(), m.data(), v.data());
  std::vector<float> plain = start, plain_m(2 * kSpan), plain_v(2 * kSpan);
  adamw_step(context, {}, std::vector<ParameterSpan>{{kSpan, kSpan, true}}, 1, 0.1, 1.0f, g.data(),
             plain.data(), plain_m.data(), plain_v.data());
  EXPECT_TRUE(same_bits(w, plain));
  EXPECT_TRUE(same_bits(m, plain_m));
  EXPECT_TRUE(same_bits(v, {plain_v.begin() + kSpan, plain_v.end()}));
  EXPECT_FALSE(same_bits(w, start));

  std::vector<float> slow = start, fast = start, velocity(2 * kSpan);
  sgd_step(context, {0, 0.1}, std::vector<ParameterSpan>{{0, kSpan, true, 0.25}}, 0.4, 1.0f,
           g.data(), slow.data(), velocity.data());
  sgd_step(context, {0, 0.1}, std::vector<ParameterSpan>{{0, kSpan, true}}, 0.1, 1.0f, g.data(),
           fast.data(), velocity.data());
  EXPECT_TRUE(same_bits(slow, fast));
}

// The first step of Adam is lr * sign(g) whatever the size of g, by the bias corrections.
TEST(AdamW, FirstStepIsTheLearningRate) {
  ThreadPool pool(1);
  const ops::Context context = {pool, kernels::chosen_table()};
  const std::vector<float> g = {1e-3f, -7.0f, 100.0f};
  std::vector<float> w(3), m(3), v(3);
  adamw_step(context, {0.9, 0.999, 0.0, 0.0}, std::vector<ParameterSpan>{{0, 3, true}}, 1, 0.01,
             1.0f, g.data(), w.data(), m.data(), v.data());
  EXPECT_TRUE(all_close(w, std::vector<double>{-0.01, 0.01, -0.01}, 0, 16 * kUnit));
}

TEST(AdamWDeathTest, RejectsStepZero) {
  ThreadPool pool(1);
  const ops::Context context = {pool, kernels::chosen_table()};
  float x = 0;
  EXPECT_DEATH(adamw_step(context, {}, {}, 0, 0.1, 1.0f, &x, &x, &x, &x), "step=0");
}

TEST(Sgd, MatchesTheFormulaAndBitsDoNotDependOnThreads) {
  const auto start = random_vector(kCount, 1);
  std::vector<double> weights = widen(start), velocity(kCount);
  for (int step = 0; step < kSteps; ++step) {
    const auto g = gradients_of(step);
    for (size_t i = 0; i < kCount; ++i) {
      bool decays = false;
      if (!inside(i, &decays)) continue;
      velocity[i] = 0.9 * velocity[i] + 0.5 * static_cast<double>(g[i]);
      weights[i] -= rate_of(step) * (velocity[i] + (decays ? 0.1 * weights[i] : 0.0));
    }
  }
  expect_same_bits_for_threads([&](const ops::Context& context) {
    Arena arena;
    for (int step = 0; step < kSteps; ++step)
      sgd_step(context, {0.9, 0.1}, kSpans, rate_of(step), 0.5f, gradients_of(step).data(),
               arena.weights.data(), arena.first.data());
    EXPECT_TRUE(all_close(arena.weights, weights, 3 * kSteps * kUnit * largest(start), 0));
    EXPECT_TRUE(all_close(arena.first, velocity, 3 * kSteps * kUnit * largest(velocity), 0));
    return arena.all();
  });
}

TEST(GradientNorm, MatchesDoubleForEveryCut) {
  for (const size_t count : {0, 1, 16383, 16384, 16385, 50000}) {
    const auto g = random_vector(count, 9);
    double squares = 0;
    for (const float value : g)
      squares += static_cast<double>(value) * static_cast<double>(value);
    const auto n = static_cast<int64_t>(count);
    std::vector<double> first_bits;
    for_each_context([&](const ops::Context& context) {
      std::vector<double> partial(static_cast<size_t>(norm_partials(n)));
      const double norm = gradient_norm(context, n, g.data(), partial.data());
      EXPECT_TRUE(all_close(std::vector<double>{norm}, std::vector<double>{std::sqrt(squares)}, 0,
                            sum_bound(context.kernels)));
      const size_t tables = kernels::supported_tables().size();
      first_bits.push_back(norm);
      if (first_bits.size() > tables) {
        EXPECT_EQ(norm, first_bits[first_bits.size() - 1 - tables]);
      }
    });
  }
}

TEST(GradientNorm, ShowsNonFiniteNumbers) {
  for_each_context([](const ops::Context& context) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const size_t place : {0, 16384, 39999}) {
        auto g = random_vector(40000, 10);
        g[place] = bad;
        std::vector<double> partial(static_cast<size_t>(norm_partials(40000)));
        EXPECT_FALSE(std::isfinite(gradient_norm(context, 40000, g.data(), partial.data())));
      }
    }
  });
}

TEST(ClipScale, IsTheRatioAboveTheLimitAndOneBelow) {
  EXPECT_EQ(clip_scale(4.0, 1.0), 0.25f);
  EXPECT_EQ(clip_scale(1.0, 1.0), 1.0f);
  EXPECT_EQ(clip_scale(0.0, 1.0), 1.0f);
  EXPECT_EQ(clip_scale(100.0, 0.0), 1.0f);
}

}  // namespace
}  // namespace cllm::optim
