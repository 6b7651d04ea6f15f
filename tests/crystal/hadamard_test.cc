#include "crystal/hadamard.h"

#include <bit>

#include "testing.h"

namespace cllm {
namespace {

using testing::random_vector;
using testing::widen;

constexpr size_t kSizes[] = {1, 2, 3, 4, 5, 7, 8, 12, 48, 64, 65, 96, 127, 128, 192, 384};

// Q as a matrix: row i is Q e_i, so this is Q^T; orthogonality does not mind.
std::vector<double> matrix_of(const RandomRotation& rotation, ThreadPool& pool) {
  const size_t n = rotation.size();
  std::vector<double> q(n * n);
  for (size_t i = 0; i < n; ++i)
    q[i * n + i] = 1;
  rotation.apply(q, pool);
  return q;
}

TEST(Hadamard, IsTheMatrixOfParities) {
  for (size_t n = 1; n <= 64; n *= 2)
    for (size_t j = 0; j < n; ++j) {
      std::vector<double> x(n);
      x[j] = 1;
      walsh_hadamard(x);
      for (size_t i = 0; i < n; ++i)
        EXPECT_EQ(x[i], std::popcount(i & j) % 2 == 0 ? 1 : -1);
    }
}

TEST(Hadamard, TwiceIsTheSizeExactlyOnIntegers) {
  const Philox source(1, RandomStream::kTest);
  std::vector<float> x(256);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(source.below(128, 0, i)) - 64;
  std::vector<float> y = x;
  walsh_hadamard(y);
  walsh_hadamard(y);
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(y[i], 256 * x[i]);
}

// Entries are sums of at most n products of two rounded square roots: the bound is n roundings.
TEST(Rotation, IsOrthogonal) {
  ThreadPool pool(2);
  for (const size_t n : kSizes) {
    const std::vector<double> q = matrix_of(RandomRotation(n, 7), pool);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) {
        double dot = 0;
        for (size_t k = 0; k < n; ++k)
          dot += q[i * n + k] * q[j * n + k];
        EXPECT_LE(std::abs(dot - (i == j ? 1 : 0)), static_cast<double>(n + 8) * 0x1p-52) << n;
      }
  }
}

// With p a power of four the scale is a power of two and nothing rounds on small integers.
TEST(Rotation, IsExactlyOrthogonalWhereTheScaleIsExact) {
  ThreadPool pool(1);
  for (const size_t n : {4, 16, 64, 5, 20, 31, 96, 127}) {
    const RandomRotation rotation(n, 3);
    std::vector<float> x(5 * n);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50);
    std::vector<float> y = x;
    rotation.apply(y, pool);
    EXPECT_NE(y, x);
    rotation.apply_inverse(y, pool);
    EXPECT_EQ(y, x) << n;
  }
}

// Each of the 2 log2(p) + 2 layers of operations rounds once, relative to the norm of the row.
TEST(Rotation, InverseUndoesIt) {
  ThreadPool pool(3);
  for (const size_t n : kSizes) {
    const RandomRotation rotation(n, 11);
    const std::vector<float> x = random_vector(9 * n, 5);
    std::vector<float> y = x;
    rotation.apply(y, pool);
    rotation.apply_inverse(y, pool);
    double norm = 0, error = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      norm += static_cast<double>(x[i]) * x[i];
      error += std::pow(static_cast<double>(y[i]) - x[i], 2);
    }
    EXPECT_LE(std::sqrt(error / norm),
              static_cast<double>(4 * std::bit_width(n) + 4) * testing::kUnit)
        << n;
  }
}

// What the completion must do: no output depends on one input alone. 8 / p covers the worst overlap
// (an entry is a sum of products of two entries 1 / sqrt(p)); random signs keep it near that.
TEST(Rotation, SpreadsEveryCoordinate) {
  ThreadPool pool(1);
  for (const size_t n : {64, 65, 96, 100, 127, 192, 384, 1000}) {
    for (const uint64_t seed : {1U, 2U}) {
      const std::vector<double> q = matrix_of(RandomRotation(n, seed), pool);
      double largest = 0;
      for (const double entry : q)
        largest = std::max(largest, entry * entry);
      const auto block = static_cast<double>(std::bit_floor(n));
      EXPECT_LE(largest, 16 / block) << n;
      EXPECT_GE(largest, 1 / block * 0.999) << n;
    }
  }
}

TEST(Rotation, BothSidesKeepTheQuadraticForm) {
  ThreadPool pool(2);
  for (const size_t n : {8, 12, 33}) {
    const RandomRotation rotation(n, 5);
    std::vector<double> h(n * n);
    const std::vector<double> x = widen(random_vector(3 * n, 8));
    for (size_t r = 0; r < 3; ++r)
      for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j)
          h[i * n + j] += x[r * n + i] * x[r * n + j];
    std::vector<double> rotated = x, expected(n * n);
    rotation.apply(rotated, pool);
    for (size_t r = 0; r < 3; ++r)
      for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j)
          expected[i * n + j] += rotated[r * n + i] * rotated[r * n + j];
    rotation.apply_both_sides(h, pool);
    EXPECT_TRUE(testing::all_close(h, expected, 1e-12, 0));
  }
}

TEST(Rotation, HasTheSameBitsForAnyNumberOfThreadsAndOtherOnesForAnotherSeed) {
  const std::vector<float> x = random_vector(50 * 96, 6);
  std::vector<float> first;
  for (const int threads : {1, 2, 3, 4}) {
    ThreadPool pool(threads);
    std::vector<float> y = x;
    RandomRotation(96, 1).apply(y, pool);
    if (threads == 1) first = y;
    EXPECT_EQ(y, first);
    RandomRotation(96, 2).apply(y, pool);
    EXPECT_NE(y, first);
  }
}

// A file names a rotation by its seed alone, so the numbers are a format.
TEST(Rotation, IsFixedByItsSeed) {
  ThreadPool pool(1);
  std::vector<float> x = {1, 2, 3, 4, 5, 6};
  RandomRotation(6, 2026).apply(x, pool);
  EXPECT_EQ(x, (std::vector<float>{0, -2, -3.5F, -2.5F, 7.5F, -3.5F}));
}

}  // namespace
}  // namespace cllm
