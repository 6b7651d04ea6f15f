#include "crystal/quantise_step.h"

#include "crystal/gap_rig.h"
#include "testing.h"

namespace cllm {
namespace {

TEST(QuantiseStep, ReachesTheEntropy) {
  ThreadPool pool(2);
  const size_t n = 32, rows = 200;
  const std::vector<double> h = testing::hessian_of(testing::power_law(n, 1.5), 1);
  const std::vector<float> w = testing::normal_weights(rows * n, 1);
  const QuantiseProblem problem{.weights = w, .rows = rows, .columns = n, .hessian = h};
  for (const auto method : {QuantiseMethod::kRtn, QuantiseMethod::kGptq, QuantiseMethod::kLllKbest})
    for (const double bits : {0.5, 1.0, 2.0, 3.0, 4.0, 8.0}) {
      const QuantiseOptions options{.method = method, .width = 4};
      const double step = step_for_entropy(problem, bits, options, pool);
      const Quantised found = quantise(problem, {&step, 1}, options, pool);
      EXPECT_NEAR(empirical_entropy(found.integers), bits, 0.002);
    }
}

// 64 of 2000 rows: 2048 symbols, whose entropy scatters by some 0.7 / sqrt(2048) = 0.016 bits.
TEST(QuantiseStep, ReachesItNearlyOnASample) {
  ThreadPool pool(2);
  const size_t n = 32, rows = 2'000;
  const std::vector<double> h = testing::hessian_of(testing::power_law(n, 1.5), 2);
  const std::vector<float> w = testing::normal_weights(rows * n, 2);
  const QuantiseProblem problem{.weights = w, .rows = rows, .columns = n, .hessian = h};
  const QuantiseOptions options{.method = QuantiseMethod::kGptq};
  const double step = step_for_entropy(problem, 3, options, pool, 64);
  EXPECT_NEAR(empirical_entropy(quantise(problem, {&step, 1}, options, pool).integers), 3, 0.064);
}

TEST(QuantiseStep, EndsWhereTheEntropyCannotBeReached) {
  ThreadPool pool(1);
  const std::vector<double> h = {1};
  const std::vector<float> zero(10), same(10, 2.5F);
  const QuantiseOptions options{.method = QuantiseMethod::kRtn};
  const auto step = [&](const std::vector<float>& w) {
    return step_for_entropy({.weights = w, .rows = 10, .columns = 1, .hessian = h}, 2, options,
                            pool);
  };
  EXPECT_EQ(step(zero), 1);
  EXPECT_GT(step(same), 0);
}

}  // namespace
}  // namespace cllm
