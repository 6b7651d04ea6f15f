#include "number/ulam.h"

#include <gtest/gtest.h>

#include "number/factor.h"
#include "number/number_testing.h"

namespace cllm::number {
namespace {

constexpr uint64_t kLast = ~uint64_t{0};

TEST(Ulam, MatchesOeis) {
  // A174344 and A274923, offset 1.
  const std::vector<int64_t> x = {0,  1,  1,  0,  -1, -1, -1, 0, 1, 2, 2, 2, 2, 1, 0, -1,
                                  -2, -2, -2, -2, -2, -1, 0,  1, 2, 3, 3, 3, 3, 3, 3, 2};
  const std::vector<int64_t> y = {0, 0, 1, 1,  1,  0,  -1, -1, -1, -1, 0,  1, 2, 2, 2, 2,
                                  2, 1, 0, -1, -2, -2, -2, -2, -2, -2, -1, 0, 1, 2, 3, 3};
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(ulam_point(i + 1), (Point{x[i], y[i]})) << i + 1;
}

TEST(Ulam, IsTheWalkThatTurnsLeftWhereItCan) {
  // The definition: 1, 1, 2, 2, 3, 3, ... steps, turning left after each run.
  Point at{0, 0}, step{1, 0};
  uint64_t n = 1;
  for (int64_t run = 2; n < 100000; ++run) {
    for (int64_t i = 0; i < run / 2; ++i, ++n) {
      ASSERT_EQ(ulam_point(n), at) << n;
      ASSERT_EQ(ulam_number(at), n);
      at = {at.x + step.x, at.y + step.y};
    }
    step = {-step.y, step.x};
  }
}

TEST(Ulam, GoesBothWaysOverAllNumbers) {
  for (uint64_t i = 0; i < 20000; ++i) {
    const uint64_t n = (random_word(1, i) >> (i % 64)) | 1;
    ASSERT_EQ(ulam_number(ulam_point(n)), n);
  }
  for (uint64_t n = kLast; n > kLast - 1000; --n)
    ASSERT_EQ(ulam_number(ulam_point(n)), n);
  for (const uint64_t root : {uint64_t{4294967295}, uint64_t{4294967294}, uint64_t{94906265}})
    for (uint64_t n = root * root - 2; n <= root * root + 2; ++n)
      ASSERT_EQ(ulam_number(ulam_point(n)), n);
}

TEST(Ulam, HasAnEnd) {
  expect_error([] { ulam_point(0); }, ErrorKind::kUsage, "begins with 1");
  const int64_t far = int64_t{1} << 31;
  expect_error([&] { ulam_number({-far, -far}); }, ErrorKind::kUsage, "2^64");
  expect_error([&] { ulam_number({far + 1, 0}); }, ErrorKind::kUsage, "2^64");
  expect_error([] { ulam_number({INT64_MIN, INT64_MAX}); }, ErrorKind::kUsage, "2^64");
}

TEST(SpiralWindow, SurroundsItsNumber) {
  for (const uint64_t n : {uint64_t{1}, uint64_t{1000}, uint64_t{123456789012345}})
    for (const int64_t size : {1, 2, 5, 8}) {
      const SpiralWindow window = spiral_window(n, size);
      const std::vector<uint64_t> numbers = spiral_numbers(window);
      ASSERT_EQ(numbers.size(), static_cast<size_t>(size * size));
      // Row from the top, column from the left, of the cell right of and above the middle.
      const int64_t row = size - 1 - size / 2, column = size / 2;
      EXPECT_EQ(numbers[static_cast<size_t>(row * size + column)], n);
    }
  EXPECT_EQ(spiral_numbers(spiral_window(1, 3)),
            (std::vector<uint64_t>{5, 4, 3, 6, 1, 2, 7, 8, 9}));
  expect_error([] { spiral_window(1, 0); }, ErrorKind::kUsage, "out of range");
  expect_error([] { spiral_window(1, int64_t{1} << 40); }, ErrorKind::kUsage, "out of range");
  expect_error([] { spiral_window(kLast, 5); }, ErrorKind::kUsage, "2^64");
}

TEST(SpiralWindow, MarksAgreeWithTestingEachNumber) {
  // The first two are sieved, the others are not.
  for (const uint64_t n : {uint64_t{1}, uint64_t{300}, uint64_t{1000000}, uint64_t{1} << 50}) {
    const std::vector<uint64_t> numbers = spiral_numbers(spiral_window(n, 31));
    const std::vector<uint8_t> primes = prime_marks(numbers);
    const std::vector<uint8_t> counts = factor_count_marks(numbers);
    for (size_t i = 0; i < numbers.size(); ++i) {
      ASSERT_EQ(primes[i], is_prime(numbers[i]) ? 1 : 0) << numbers[i];
      ASSERT_EQ(counts[i], factor_count(numbers[i])) << numbers[i];
    }
  }
  EXPECT_TRUE(prime_marks({}).empty());
}

}  // namespace
}  // namespace cllm::number
