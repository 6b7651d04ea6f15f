#include "crystal/cholesky.h"

#include <limits>

#include "testing.h"

namespace cllm {
namespace {

using testing::random_vector;
using testing::widen;

// B B^T + I / 10: eigenvalues between 0.1 and some 4 n.
std::vector<double> definite(size_t n, uint64_t seed) {
  const std::vector<double> b = widen(random_vector(n * n, seed));
  std::vector<double> h(n * n);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) {
      for (size_t k = 0; k < n; ++k)
        h[i * n + j] += b[i * n + k] * b[j * n + k];
      if (i == j) h[i * n + j] += 0.1;
    }
  return h;
}

// |L L^T - H| <= (n + 1) eps |L| |L|^T element by element, where |L| |L|^T <= sqrt(H_ii H_jj)
// (Higham, "Accuracy and Stability of Numerical Algorithms", theorem 10.3).
TEST(Cholesky, FactorsTheMatrix) {
  ThreadPool pool(2);
  for (const size_t n : {1, 2, 7, 31, 32, 33, 64, 100}) {
    const std::vector<double> h = definite(n, n);
    std::vector<double> l = h;
    ASSERT_TRUE(cholesky(l, n, pool));
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) {
        EXPECT_TRUE(j <= i || l[i * n + j] == 0);
        double sum = 0;
        for (size_t k = 0; k < n; ++k)
          sum += l[i * n + k] * l[j * n + k];
        const double bound = static_cast<double>(n + 2) * 0x1p-52;
        EXPECT_LE(std::abs(sum - h[i * n + j]), bound * std::sqrt(h[i * n + i] * h[j * n + j]));
      }
  }
}

TEST(Cholesky, GivesBackAnIntegerFactorExactly) {
  ThreadPool pool(1);
  const std::vector<double> l = {2, 0, 0, -1, 3, 0, 4, 5, 1};
  std::vector<double> h = {4, -2, 8, -2, 10, 11, 8, 11, 42};
  ASSERT_TRUE(cholesky(h, 3, pool));
  EXPECT_EQ(h, l);
  EXPECT_NEAR(log_determinant(h, 3), std::log(36.0), 1e-15 * 8);
}

TEST(Cholesky, Solves) {
  ThreadPool pool(2);
  const size_t n = 70;
  const std::vector<double> h = definite(n, 5), x = widen(random_vector(n, 6));
  std::vector<double> l = h, y(n);
  ASSERT_TRUE(cholesky(l, n, pool));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      y[i] += h[i * n + j] * x[j];
  cholesky_solve(l, y);
  // Condition 4 n / 0.1 times n roundings.
  EXPECT_TRUE(testing::all_close(y, x, 2800 * 70 * 0x1p-52, 0));
}

TEST(Cholesky, RefusesWhatIsNotDefinite) {
  ThreadPool pool(2);
  std::vector<double> negative = {1, 2, 2, 1};
  EXPECT_FALSE(cholesky(negative, 2, pool));
  std::vector<double> singular = {1, 1, 1, 1};
  EXPECT_FALSE(cholesky(singular, 2, pool));
  std::vector<double> zero = {0};
  EXPECT_FALSE(cholesky(zero, 1, pool));
  std::vector<double> broken = definite(50, 1);
  broken[40 * 50 + 3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(cholesky(broken, 50, pool));
  std::vector<double> infinite = {std::numeric_limits<double>::infinity()};
  EXPECT_FALSE(cholesky(infinite, 1, pool));
}

TEST(Cholesky, HasTheSameBitsForAnyNumberOfThreads) {
  std::vector<double> first;
  for (const int threads : {1, 2, 3, 4}) {
    ThreadPool pool(threads);
    std::vector<double> l = definite(130, 3);
    ASSERT_TRUE(cholesky(l, 130, pool));
    if (threads == 1) first = l;
    EXPECT_EQ(l, first);
  }
}

}  // namespace
}  // namespace cllm
