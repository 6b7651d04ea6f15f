#include "crystal/quantise.h"

#include <limits>

#include "base/error.h"
#include "crystal/cholesky.h"
#include "crystal/gap_rig.h"
#include "crystal/quantise_metric.h"
#include "lattice/closest.h"
#include "testing.h"

namespace cllm {
namespace {

using testing::hessian_of;
using testing::normal_weights;
using testing::power_law;

constexpr QuantiseMethod kMethods[] = {QuantiseMethod::kRtn, QuantiseMethod::kGptq,
                                       QuantiseMethod::kLllBabai, QuantiseMethod::kLllKbest};

// A problem that owns what it shows.
struct Layer {
  std::vector<float> weights;
  std::vector<double> hessian;
  size_t rows, columns;
  QuantiseProblem problem() const {
    return {.weights = weights, .rows = rows, .columns = columns, .hessian = hessian};
  }
};

Layer correlated(size_t rows, size_t columns, uint64_t seed) {
  return {.weights = normal_weights(rows * columns, seed),
          .hessian = hessian_of(power_law(columns, 1.5), seed),
          .rows = rows,
          .columns = columns};
}

Quantised run(const Layer& layer, double step, const QuantiseOptions& options, int threads = 2) {
  ThreadPool pool(threads);
  return quantise(layer.problem(), {&step, 1}, options, pool);
}

// x^T H x.
double form(const std::vector<double>& h, std::span<const double> x) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i)
    for (size_t j = 0; j < x.size(); ++j)
      sum += x[i] * h[i * x.size() + j] * x[j];
  return sum;
}

// The sum over rows of the squared error with `scale`.
double error_with(const Layer& layer, std::span<const int32_t> integers, double scale) {
  double sum = 0;
  std::vector<double> e(layer.columns);
  for (size_t r = 0; r < layer.rows; ++r) {
    for (size_t i = 0; i < layer.columns; ++i)
      e[i] = layer.weights[r * layer.columns + i] - scale * integers[r * layer.columns + i];
    sum += form(layer.hessian, e);
  }
  return sum;
}

TEST(Quantise, MethodsHaveNames) {
  for (const QuantiseMethod method : kMethods)
    EXPECT_EQ(quantise_method_by_name(quantise_method_name(method)), method);
  EXPECT_THROW(quantise_method_by_name("lll"), Error);
}

// Where all inputs are alike and independent there is nothing to gain from any method.
TEST(Quantise, AllMethodsRoundForTheIdentity) {
  Layer layer{normal_weights(20 * 40, 1), std::vector<double>(1600), 20, 40};
  for (size_t i = 0; i < 40; ++i)
    layer.hessian[i * 41] = 3;
  for (const bool augment : {false, true}) {
    const Quantised rounded = run(layer, 0.3, {.method = QuantiseMethod::kRtn, .augment = augment});
    for (size_t i = 0; !augment && i < layer.weights.size(); ++i)
      EXPECT_EQ(rounded.integers[i], std::lrint(layer.weights[i] / 0.3));
    for (const QuantiseMethod method : kMethods)
      for (const size_t block : {16, 40}) {
        const Quantised other =
            run(layer, 0.3, {.method = method, .augment = augment, .block = block});
        EXPECT_EQ(other.integers, rounded.integers) << quantise_method_name(method);
        EXPECT_EQ(other.scales, rounded.scales);
      }
  }
}

// GPTQ as published: after each column the rest moves by the inverse Hessian's row, and the column
// is eliminated from the inverse. From the last column on, as quantise does.
std::vector<int32_t> published_gptq(const Layer& layer, double step) {
  const size_t n = layer.columns;
  ThreadPool pool(1);
  std::vector<double> factor = layer.hessian;
  EXPECT_TRUE(cholesky(factor, n, pool));
  std::vector<double> inverse(n * n);
  for (size_t i = 0; i < n; ++i) {
    inverse[i * n + i] = 1;
    cholesky_solve(factor, std::span(inverse).subspan(i * n, n));
  }
  std::vector<double> w(layer.weights.begin(), layer.weights.end());
  std::vector<int32_t> integers(w.size());
  for (size_t q = n; q-- > 0;) {
    const std::vector<double> before = inverse;
    for (size_t r = 0; r < layer.rows; ++r) {
      const double value = std::nearbyint(w[r * n + q] / step);
      integers[r * n + q] = static_cast<int32_t>(value);
      const double error = (w[r * n + q] - step * value) / before[q * n + q];
      for (size_t j = 0; j < q; ++j)
        w[r * n + j] -= error * before[q * n + j];
    }
    for (size_t i = 0; i < q; ++i)
      for (size_t j = 0; j < q; ++j)
        inverse[i * n + j] -= before[i * n + q] * before[q * n + j] / before[q * n + q];
  }
  return integers;
}

TEST(Quantise, GptqIsGptqWhateverTheBlock) {
  const Layer layer = correlated(30, 48, 2);
  const std::vector<int32_t> expected = published_gptq(layer, 0.2);
  for (const size_t block : {1, 5, 16, 48, 64}) {
    const Quantised found =
        run(layer, 0.2, {.method = QuantiseMethod::kGptq, .augment = false, .block = block});
    EXPECT_EQ(found.integers, expected) << block;
  }
}

// H = B B^T with an integer B, so that the exact solver of lattice/ sees the same lattice.
TEST(Quantise, WideSearchIsTheExactClosestVectorInSmallDimensions) {
  const Philox source(3, RandomStream::kTest);
  int babai_missed = 0;
  for (size_t n = 1; n <= 8; ++n) {
    lattice::IntegerMatrix b(n, n);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j <= i; ++j)
        b(i, j) = static_cast<long>(source.below(9, n, i * n + j)) + (i == j ? 1 : -4);
    Layer layer{normal_weights(12 * n, n), std::vector<double>(n * n), 12, n};
    for (float& w : layer.weights)
      w *= 10;
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j)
        layer.hessian[i * n + j] = lattice::inner_product(b.row(i), b.row(j)).get_d();
    const Quantised wide = run(layer, 1, {.augment = false, .width = 1024});
    const Quantised babai = run(layer, 1, {.method = QuantiseMethod::kLllBabai, .augment = false});
    const lattice::ClosestSolver solver(b);
    for (size_t r = 0; r < layer.rows; ++r) {
      lattice::RationalVector target(n);
      std::vector<double> e(n), of_babai(n);
      for (size_t i = 0; i < n; ++i) {
        const double u = layer.weights[r * n + i];
        for (size_t j = 0; j <= i; ++j)
          target[j] += mpq_class(u) * b(i, j);
        e[i] = u - wide.integers[r * n + i];
        of_babai[i] = u - babai.integers[r * n + i];
      }
      const double exact = solver.exact(target).distance2.get_d();
      EXPECT_NEAR(form(layer.hessian, e), exact, 1e-9 * (1 + exact)) << n;
      EXPECT_GE(form(layer.hessian, of_babai), exact * (1 - 1e-9));
      if (form(layer.hessian, of_babai) > exact * (1 + 1e-9)) ++babai_missed;
    }
  }
  // The comparison sees a point that is only near.
  EXPECT_GT(babai_missed, 0);
}

TEST(Quantise, BetterMethodsHaveSmallerErrors) {
  for (const size_t columns : {50, 96})
    for (const size_t block : {24, 64})
      for (const bool augment : {false, true}) {
        const Layer layer = correlated(100, columns, columns);
        double before = std::numeric_limits<double>::infinity();
        for (const QuantiseMethod method : kMethods) {
          const Quantised found =
              run(layer, 0.5, {.method = method, .augment = augment, .block = block});
          EXPECT_LT(found.error, before)
              << quantise_method_name(method) << ' ' << columns << ' ' << block << ' ' << augment;
          before = found.error;
        }
      }
}

// Row by row, because the plane's point is where the search begins.
TEST(Quantise, AWiderSearchIsNeverWorseThanThePlane) {
  const Layer layer = correlated(60, 40, 4);
  const auto distances = [&](const QuantiseOptions& options) {
    const Quantised found = run(layer, 0.4, options);
    std::vector<double> result, e(40);
    for (size_t r = 0; r < layer.rows; ++r) {
      for (size_t i = 0; i < 40; ++i)
        e[i] = layer.weights[r * 40 + i] - 0.4 * found.integers[r * 40 + i];
      result.push_back(form(layer.hessian, e));
    }
    return result;
  };
  const auto plane = distances({.method = QuantiseMethod::kLllBabai, .augment = false});
  for (const size_t width : {2, 4, 64}) {
    const auto wide = distances({.augment = false, .width = width});
    for (size_t r = 0; r < plane.size(); ++r)
      EXPECT_LE(wide[r], plane[r] * (1 + 1e-12)) << width;
  }
}

TEST(Quantise, HasTheSameBitsForAnyNumberOfThreads) {
  const Layer layer = correlated(33, 70, 5);
  for (const QuantiseMethod method : kMethods) {
    const QuantiseOptions options{.method = method, .block = 32, .width = 8};
    const Quantised one = run(layer, 0.4, options, 1);
    for (const int threads : {2, 3, 4}) {
      const Quantised other = run(layer, 0.4, options, threads);
      EXPECT_EQ(other.integers, one.integers);
      EXPECT_EQ(other.scales, one.scales);
      EXPECT_EQ(other.error, one.error);
    }
  }
}

// The error is what a user of the result has, and no other scale makes it smaller. The tolerance is
// the rounding of the quadratic forms, n^2 terms of the size of w^T H w.
TEST(Quantise, TellsTheErrorOfTheBestScale) {
  for (const QuantiseMethod method : kMethods) {
    const Layer layer = correlated(20, 30, 6);
    const Quantised found = run(layer, 0.8, {.method = method});
    ASSERT_EQ(found.scales.size(), 1U);
    const double scale = found.scales[0];
    const double error = error_with(layer, found.integers, scale);
    EXPECT_NEAR(found.error, error, 1e-10 * error);
    EXPECT_GT(error_with(layer, found.integers, scale * 1.001), error);
    EXPECT_GT(error_with(layer, found.integers, scale * 0.999), error);
  }
}

TEST(Quantise, TakesAStepForEachRow) {
  Layer layer = correlated(3, 20, 7);
  for (size_t i = 0; i < 20; ++i)
    layer.weights[20 + i] *= 100;
  ThreadPool pool(2);
  const std::vector<double> steps = {0.3, 30, 0.3};
  const QuantiseOptions options{.augment = false};
  const Quantised all = quantise(layer.problem(), steps, options, pool);
  ASSERT_EQ(all.scales.size(), 3U);
  double error = 0;
  for (size_t r = 0; r < 3; ++r) {
    const Layer row{{layer.weights.begin() + static_cast<ptrdiff_t>(20 * r),
                     layer.weights.begin() + static_cast<ptrdiff_t>(20 * r + 20)},
                    layer.hessian,
                    1,
                    20};
    const Quantised alone = run(row, steps[r], options);
    EXPECT_TRUE(std::ranges::equal(alone.integers, std::span(all.integers).subspan(20 * r, 20)));
    EXPECT_EQ(alone.scales[0], all.scales[r]);
    error += alone.error;
  }
  EXPECT_NEAR(all.error, error, 1e-12 * error);
}

// At a high rate the errors along the axes of the Gram-Schmidt basis are uniform over a step: the
// mean error of the plane is step^2 / 12 times the mean of r_ii^2. The mean of N squares of
// uniforms scatters by sqrt(0.8 / N); N is at least rows, because a few axes may dominate.
TEST(Quantise, ErrorOfThePlaneIsTheOneOfTheTheory) {
  const Layer layer = correlated(4'000, 24, 8);
  ThreadPool pool(2);
  std::vector<double> factor = layer.hessian;
  ASSERT_TRUE(cholesky(factor, 24, pool));
  double squares = 0;
  for (size_t i = 0; i < 24; ++i)
    squares += factor[i * 25] * factor[i * 25];
  const double step = 0x1p-6, expected = step * step / 12 * squares * 4'000;
  const Quantised found = run(layer, step, {.method = QuantiseMethod::kGptq, .augment = false});
  EXPECT_NEAR(found.error, expected, 4 * std::sqrt(0.8 / 4'000) * expected);
}

// For the identity mu = g (1 + mu); for a diagonal H, the equation itself.
TEST(Quantise, MuSolvesItsEquation) {
  ThreadPool pool(1);
  Layer layer{normal_weights(50 * 8, 9), std::vector<double>(64), 50, 8};
  double trace = 0, square = 0;
  for (size_t i = 0; i < 8; ++i)
    trace += layer.hessian[i * 9] = std::exp2(-static_cast<double>(i));
  for (const float w : layer.weights)
    square += static_cast<double>(w) * w / 400;
  for (const double step : {0.1, 0.5, 1.0}) {
    const double relative = step * step / 12 / square;
    const QuantiseMetric plain = make_metric(layer.problem(), {&step, 1}, {.identity = true}, pool);
    EXPECT_NEAR(plain.mu, relative / (1 - relative), 0.01 * plain.mu);
    EXPECT_TRUE(plain.factor.empty());
    const QuantiseMetric metric = make_metric(layer.problem(), {&step, 1}, {}, pool);
    double product = 1;
    for (size_t i = 0; i < 8; ++i)
      product *= layer.hessian[i * 9] * 8 / trace + metric.mu;
    EXPECT_NEAR(metric.mu, relative * std::pow(product, 1.0 / 8), 0.01 * metric.mu);
    // And the target shrinks by h / (h + mu).
    std::vector<double> target(8, 1), work(8);
    metric.shrink(target, work);
    for (size_t i = 0; i < 8; ++i) {
      const double h = layer.hessian[i * 9] * 8 / trace;
      EXPECT_NEAR(target[i], h / (h + metric.mu), 1e-14);
    }
  }
}

TEST(Quantise, RefusesAHessianItCannotUse) {
  Layer layer = correlated(4, 6, 10);
  const auto refuses = [&](const QuantiseOptions& options) {
    try {
      run(layer, 0.5, options);
      return false;
    } catch (const Error& error) {
      return error.kind() == ErrorKind::kData;
    }
  };
  EXPECT_FALSE(refuses({}));
  // Two inputs that are always equal: only the augmented form is definite.
  for (size_t i = 0; i < 6; ++i)
    layer.hessian[6 + i] = layer.hessian[i];
  for (size_t i = 0; i < 6; ++i)
    layer.hessian[6 * i + 1] = layer.hessian[6 * i];
  EXPECT_TRUE(refuses({.method = QuantiseMethod::kGptq, .augment = false}));
  EXPECT_FALSE(refuses({.method = QuantiseMethod::kGptq}));
  EXPECT_FALSE(refuses({}));
  layer.hessian[0] = -3;
  EXPECT_TRUE(refuses({}));
  layer.hessian[0] = std::numeric_limits<double>::quiet_NaN();
  for (const QuantiseMethod method : kMethods)
    EXPECT_TRUE(refuses({.method = method}));
}

TEST(Quantise, RefusesWeightsAndStepsItCannotUse) {
  Layer layer = correlated(4, 6, 11);
  for (const QuantiseMethod method : kMethods)
    EXPECT_THROW(run(layer, 1e-9, {.method = method}), Error);
  layer.weights[13] = std::numeric_limits<float>::infinity();
  for (const QuantiseMethod method : kMethods)
    EXPECT_THROW(run(layer, 0.1, {.method = method}), Error);
}

TEST(Quantise, TakesWeightsThatAreZeroAndSingleColumns) {
  Layer layer = correlated(4, 6, 12);
  std::ranges::fill(layer.weights, 0.0F);
  for (const QuantiseMethod method : kMethods) {
    const Quantised zero = run(layer, 1, {.method = method});
    EXPECT_EQ(zero.integers, std::vector<int32_t>(24));
    EXPECT_EQ(zero.error, 0);
    const Layer single{{1.4F, -2.6F}, {2}, 2, 1};
    EXPECT_EQ(run(single, 1, {.method = method, .augment = false}).integers,
              (std::vector<int32_t>{1, -3}));
  }
}

TEST(Quantise, DequantisesByOneProduct) {
  std::vector<float> out(6);
  const std::vector<int32_t> integers = {1, -2, 3, 4, 0, -6};
  const std::vector<float> scales = {0.1F, 3};
  dequantise(integers, scales, out);
  EXPECT_EQ(out, (std::vector<float>{0.1F, -0.2F, 0.1F * 3, 12, 0, -18}));
  dequantise(integers, std::span(scales).first(1), out);
  EXPECT_EQ(out[5], 0.1F * -6);
}

}  // namespace
}  // namespace cllm
