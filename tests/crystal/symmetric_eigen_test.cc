#include "crystal/symmetric_eigen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "crystal/gap_rig.h"
#include "testing.h"

namespace cllm {
namespace {

double norm_of(const std::vector<double>& x) {
  double sum = 0;
  for (const double value : x)
    sum += value * value;
  return std::sqrt(sum);
}

// Backward error of reflections and QL steps: some n eps of the norm each (Wilkinson, "The
// Algebraic Eigenvalue Problem", 3.23 and 8.29); 10 covers their constants.
double tolerance(size_t n) {
  return 10 * static_cast<double>(n) * 0x1p-52;
}

// How far the result is from A = V^T D V with V V^T = I, in tolerances.
double badness(const std::vector<double>& a, size_t n, const SymmetricEigen& eigen) {
  std::vector<double> rest = a, products(n * n);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      for (size_t k = 0; k < n; ++k) {
        rest[i * n + j] -= eigen.values[k] * eigen.vectors[k * n + i] * eigen.vectors[k * n + j];
        products[i * n + j] += eigen.vectors[i * n + k] * eigen.vectors[j * n + k];
      }
  for (size_t i = 0; i < n; ++i)
    products[i * n + i] -= 1;
  const double size = std::max(norm_of(a), std::numeric_limits<double>::min());
  return std::max(norm_of(rest) / size, norm_of(products) / std::sqrt(static_cast<double>(n))) /
         tolerance(n);
}

void expect_spectrum(const std::vector<double>& a, size_t n, std::vector<double> expected) {
  ThreadPool pool(2);
  const SymmetricEigen eigen = symmetric_eigen(a, n, pool);
  EXPECT_LE(badness(a, n, eigen), 1);
  std::ranges::sort(expected, std::greater<>());
  EXPECT_TRUE(testing::all_close(eigen.values, expected, tolerance(n) * norm_of(a), 0));
  EXPECT_TRUE(std::ranges::is_sorted(eigen.values, std::greater<>()));
}

// The second difference: eigenvalues 2 - 2 cos(k pi / (n + 1)), and no vector is free.
TEST(SymmetricEigen, KnowsTheVibratingString) {
  for (const size_t n : {1, 2, 3, 10, 61}) {
    std::vector<double> a(n * n), expected;
    for (size_t i = 0; i < n; ++i) {
      a[i * n + i] = 2;
      if (i > 0) a[i * n + i - 1] = a[(i - 1) * n + i] = -1;
      const double angle =
          std::numbers::pi * static_cast<double>(i + 1) / static_cast<double>(n + 1);
      expected.push_back(2 - 2 * std::cos(angle));
    }
    expect_spectrum(a, n, expected);
    ThreadPool pool(1);
    const SymmetricEigen eigen = symmetric_eigen(a, n, pool);
    // sin(i (n) pi / (n + 1)) belongs to the largest.
    for (size_t i = 1; i < n; ++i) {
      const double step = std::numbers::pi * static_cast<double>(n) / static_cast<double>(n + 1);
      const double expected_ratio = std::sin(static_cast<double>(i + 1) * step) / std::sin(step);
      // Gaps of the spectrum are above 1 / n^2.
      EXPECT_NEAR(eigen.vectors[i] / eigen.vectors[0], expected_ratio,
                  std::pow(static_cast<double>(n), 3) * tolerance(n));
    }
  }
}

// Rosser, Lanczos, Hestenes and Karush (1951): a double eigenvalue, close ones, zero, and two of
// opposite sign, which defeated early methods.
TEST(SymmetricEigen, SolvesRossersMatrix) {
  const std::vector<double> a = {
      611,  196, -192, 407, -8,  -52,  -49, 29,   196, 899,  113, -192, -71,  -43, -8,   -44,
      -192, 113, 899,  196, 61,  49,   8,   52,   407, -192, 196, 611,  8,    44,  59,   -23,
      -8,   -71, 61,   8,   411, -599, 208, 208,  -52, -43,  49,  44,   -599, 411, 208,  208,
      -49,  -8,  8,    59,  208, 208,  99,  -911, 29,  -44,  52,  -23,  208,  208, -911, 99};
  const double outer = 10 * std::sqrt(10405.0), close = 100 * std::sqrt(26.0);
  expect_spectrum(a, 8, {outer, 510 + close, 1000, 1000, 1020, 510 - close, 0, -outer});
}

// Kac, Murdock and Szego (1953), also far from tridiagonal.
TEST(SymmetricEigen, KnowsTheAutoregressiveMatrix) {
  const size_t n = 90;
  std::vector<double> a(n * n);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      a[i * n + j] = std::pow(0.95, std::abs(static_cast<double>(i) - static_cast<double>(j)));
  expect_spectrum(a, n, testing::autoregressive(n, 0.95));
}

TEST(SymmetricEigen, FindsARotatedSpectrum) {
  for (const size_t n : {5, 64, 130}) {
    std::vector<double> values = testing::power_law(n, 3);
    values.back() = values[n - 2];  // twice the same
    expect_spectrum(testing::hessian_of(values, n), n, values);
  }
}

TEST(SymmetricEigen, SurvivesDegenerateMatrices) {
  expect_spectrum(std::vector<double>(49, 0), 7, std::vector<double>(7, 0));
  std::vector<double> ones(7, 0);
  ones[0] = 7;
  expect_spectrum(std::vector<double>(49, 1), 7, ones);
  std::vector<double> diagonal(16);
  for (size_t i = 0; i < 4; ++i)
    diagonal[5 * i] = static_cast<double>(i);
  expect_spectrum(diagonal, 4, {0, 1, 2, 3});
  for (const double scale : {1e-300, 1e300}) {
    std::vector<double> a = {2, -1, 0, -1, 2, -1, 0, -1, 2};
    for (double& entry : a)
      entry *= scale;
    ThreadPool pool(1);
    EXPECT_NEAR(symmetric_eigen(a, 3, pool).values[0] / scale, 2 + std::sqrt(2.0),
                tolerance(3) * 4);
  }
}

TEST(SymmetricEigen, TheMeasureOfErrorSeesAWrongResult) {
  ThreadPool pool(1);
  const std::vector<double> a = testing::hessian_of(testing::power_law(20, 1), 1);
  SymmetricEigen eigen = symmetric_eigen(a, 20, pool);
  EXPECT_LE(badness(a, 20, eigen), 1);
  eigen.values[3] *= 1 + 1e-11;
  EXPECT_GT(badness(a, 20, eigen), 1);
  eigen = symmetric_eigen(a, 20, pool);
  eigen.vectors[40] += 1e-11;
  EXPECT_GT(badness(a, 20, eigen), 1);
}

TEST(SymmetricEigen, HasTheSameBitsForAnyNumberOfThreads) {
  const size_t n = 150;
  const std::vector<double> a = testing::hessian_of(testing::power_law(n, 1.5), 2);
  std::vector<double> first;
  for (const int threads : {1, 2, 3, 4}) {
    ThreadPool pool(threads);
    const SymmetricEigen eigen = symmetric_eigen(a, n, pool);
    if (threads == 1) first = eigen.vectors;
    EXPECT_TRUE(testing::same_bits(eigen.vectors, first));
  }
}

}  // namespace
}  // namespace cllm
