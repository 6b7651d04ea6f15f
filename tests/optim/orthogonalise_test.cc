#include "optim/orthogonalise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "muon_golden.h"
#include "testing_tables.h"

namespace cllm::optim {
namespace {

using namespace cllm::testing;

// Five steps move a singular value's share of the norm with a slope of at most 485. The Gram matrix
// carries the rounding of sums of up to a few hundred products, some four units of the norm.
constexpr double kTolerance = 485 * 4 * kUnit;

std::vector<float> orthogonalised(const ops::Context& context, int64_t rows, int64_t columns,
                                  const std::vector<float>& x) {
  std::vector<float> out(x.size(), 77.0f);
  constexpr size_t kGuard = 1 << 16;
  const auto floats = static_cast<size_t>(orthogonalise_scratch(context, rows, columns));
  std::vector<float> scratch(floats + 16 + kGuard, 77.0f);
  const auto address = reinterpret_cast<uintptr_t>(scratch.data());
  float* const begin = scratch.data() + (64 - address % 64) % 64 / sizeof(float);
  std::fill_n(begin, floats, NAN);
  orthogonalise(context, rows, columns, x.data(), out.data(), begin);
  EXPECT_TRUE(std::all_of(begin + floats, scratch.data() + scratch.size(), [](float value) {
    return value == 77.0f;
  })) << "writes beyond its scratch";
  return out;
}

double iterated(double s) {
  for (int step = 0; step < 5; ++step)
    s = 3.4445 * s - 4.7750 * std::pow(s, 3) + 2.0315 * std::pow(s, 5);
  return s;
}

// (I - 2 v v^T) D (I - 2 w w^T) with the singular values `s` on the diagonal of D, so that the
// decomposition is known without computing one.
std::vector<double> with_singular_values(int64_t rows, int64_t columns,
                                         const std::vector<double>& s) {
  const auto unit = [](int64_t n, uint64_t seed) {
    std::vector<double> v = widen(random_vector(static_cast<size_t>(n), seed));
    const double norm = std::sqrt(inner_product(random_vector(v.size(), seed), v));
    for (double& x : v)
      x /= norm;
    return v;
  };
  const std::vector<double> v = unit(rows, 1), w = unit(columns, 2);
  std::vector<double> x(static_cast<size_t>(rows * columns));
  for (size_t i = 0; i < v.size(); ++i)
    for (size_t j = 0; j < w.size(); ++j) {
      double sum = 0;
      for (size_t k = 0; k < s.size(); ++k)
        sum += ((i == k ? 1.0 : 0.0) - 2 * v[i] * v[k]) * s[k] *
               ((k == j ? 1.0 : 0.0) - 2 * w[k] * w[j]);
      x[i * w.size() + j] = sum;
    }
  return x;
}

TEST(Orthogonalise, BringsSingularValuesNearOneAndKeepsTheVectors) {
  struct Shape {
    int64_t rows, columns;
  };
  for (const auto& [rows, columns] : {Shape{33, 33}, Shape{16, 70}, Shape{200, 24}}) {
    const auto n = static_cast<size_t>(std::min(rows, columns));
    std::vector<double> singular(n), expected(n);
    double squares = 0;
    for (size_t k = 0; k < n; ++k) {
      singular[k] = 7 * std::pow(0.01, static_cast<double>(k) / static_cast<double>(n - 1));
      squares += singular[k] * singular[k];
    }
    for (size_t k = 0; k < n; ++k) {
      expected[k] = iterated(singular[k] / std::sqrt(squares));
      EXPECT_GT(expected[k], 0.68);
      EXPECT_LT(expected[k], 1.21);
    }
    const std::vector<double> x = with_singular_values(rows, columns, singular);
    const std::vector<double> truth = with_singular_values(rows, columns, expected);
    EXPECT_FALSE(all_close(x, truth, 0.1, 0)) << "the comparison sees nothing";
    for_each_context([&, r = rows, c = columns](const ops::Context& context) {
      const std::vector<float> out = orthogonalised(context, r, c, {x.begin(), x.end()});
      EXPECT_TRUE(all_close(out, truth, kTolerance, 0));
    });
  }
}

TEST(Orthogonalise, EqualsTheOutsideNumbers) {
  for (const auto& golden : muon_golden("orthogonal")) {
    for_each_context([&](const ops::Context& context) {
      EXPECT_TRUE(all_close(
          orthogonalised(context, golden["rows"], golden["columns"], floats_of(golden["x"])),
          doubles_of(golden["out"]), kTolerance, 0));
    });
  }
}

// x^T x of a tall matrix is cut along its depth on several threads, which takes scratch of its own.
TEST(Orthogonalise, TallMatricesStayInTheirScratch) {
  const std::vector<float> x = random_vector(384 * 128, 3);
  expect_same_bits_for_threads(
      [&](const ops::Context& context) { return orthogonalised(context, 384, 128, x); });
}

// 450 is more than two bands of rows, and no multiple of a tile.
TEST(Orthogonalise, BitsDoNotDependOnThreadsAndSymmetryIsUsedRightly) {
  constexpr int64_t kRows = 450, kColumns = 470;
  const std::vector<float> x = random_vector(kRows * kColumns, 3);
  expect_same_bits_for_threads([&](const ops::Context& context) {
    std::vector<float> out = orthogonalised(context, kRows, kColumns, x);
    // Against the same matrix with rows and columns in reverse, whose products are cut elsewhere.
    // Random matrices have singular values below the band: 8 units of the norm instead of 4.
    const std::vector<float> turned =
        orthogonalised(context, kRows, kColumns, {x.rbegin(), x.rend()});
    EXPECT_TRUE(all_close(std::vector<float>(turned.rbegin(), turned.rend()), widen(out),
                          2 * kTolerance, 0));
    return out;
  });
}

TEST(Orthogonalise, SizeDoesNotMatter) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  const std::vector<float> x = random_vector(8 * 20, 4);
  const std::vector<double> once = widen(orthogonalised(context, 8, 20, x));
  for (const float scale : {1e-10f, 1e-3f, 1e12f}) {
    std::vector<float> scaled = x;
    for (float& value : scaled)
      value *= scale;
    EXPECT_TRUE(all_close(orthogonalised(context, 8, 20, scaled), once, kTolerance, 0)) << scale;
  }
}

TEST(Orthogonalise, ZerosStayAndNansShow) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  std::vector<float> x(30 * 20);
  EXPECT_TRUE(same_bits(orthogonalised(context, 30, 20, x), x));
  x[7] = NAN;
  EXPECT_TRUE(std::isnan(orthogonalised(context, 30, 20, x)[0]));
}

// Of a side of 128 everything is computed, of 256 a band of 192 rows and a square of 64.
TEST(Orthogonalise, CountsItsOperations) {
  EXPECT_EQ(orthogonalise_flops(512, 128), 2.0 * (17 * 128 + 2 * 512) * 128 * 128);
  EXPECT_EQ(orthogonalise_flops(256, 1024),
            2.0 * ((17 * 256 + 1024) * (192 * 256 + 64 * 64) + 1024 * 256 * 256));
}

}  // namespace
}  // namespace cllm::optim
