#include "number/gcd.h"

#include <gmpxx.h>
#include <gtest/gtest.h>

#include <vector>

#include "number/factor.h"
#include "number/number_testing.h"

namespace cllm::number {
namespace {

TEST(Gcd, AgreesWithGmp) {
  for (uint64_t i = 0; i < 2000; ++i) {
    const uint64_t common = random_word(1, i) >> (32 + i % 32);
    const uint64_t a = common * (random_word(2, i) >> 33), b = common * (random_word(3, i) >> 40);
    const mpz_class expected = gcd(mpz_class(a), mpz_class(b));
    EXPECT_EQ(euclid_gcd(a, b), expected.get_ui());
    EXPECT_EQ(binary_gcd(a, b), expected.get_ui());
  }
}

TEST(Gcd, KnowsTheEdges) {
  constexpr uint64_t kLast = ~uint64_t{0};
  for (const auto function : {euclid_gcd, binary_gcd}) {
    EXPECT_EQ(function(0, 0), 0u);
    EXPECT_EQ(function(0, 7), 7u);
    EXPECT_EQ(function(7, 0), 7u);
    EXPECT_EQ(function(kLast, kLast), kLast);
    EXPECT_EQ(function(uint64_t{1} << 63, uint64_t{1} << 62), uint64_t{1} << 62);
    EXPECT_EQ(function(kLast, kLast - 1), 1u);
  }
}

// The determinant by Bareiss's fraction-free elimination; no pivot of these matrices is zero.
mpz_class determinant(std::vector<std::vector<mpz_class>> m) {
  mpz_class before = 1;
  for (size_t k = 0; k + 1 < m.size(); ++k) {
    for (size_t i = k + 1; i < m.size(); ++i)
      for (size_t j = k + 1; j < m.size(); ++j)
        m[i][j] = (m[i][j] * m[k][k] - m[i][k] * m[k][j]) / before;
    before = m[k][k];
  }
  return m.back().back();
}

TEST(Gcd, MatrixHasSmithsDeterminant) {
  // OEIS A001088: det gcd(i, j), i, j <= n, is the product of the totients up to n (Smith, 1876).
  const std::vector<uint64_t> known = {1, 1, 2, 4, 16, 32, 192, 768, 4608, 18432};
  mpz_class product = 1;
  for (uint64_t n = 1; n <= 30; ++n) {
    std::vector<std::vector<mpz_class>> m(n, std::vector<mpz_class>(n));
    for (uint64_t i = 0; i < n; ++i)
      for (uint64_t j = 0; j < n; ++j)
        m[i][j] = mpz_class(binary_gcd(i + 1, j + 1));
    product *= mpz_class(totient(n));
    EXPECT_EQ(determinant(m), product) << n;
    if (n <= known.size()) {
      EXPECT_EQ(product, mpz_class(known[n - 1]));
    }
  }
}

TEST(Gcd, IsTheSumOfTheTotientsOfCommonDivisors) {
  for (uint64_t a = 1; a <= 60; ++a)
    for (uint64_t b = 1; b <= 60; ++b) {
      uint64_t sum = 0;
      for (uint64_t d = 1; d <= a; ++d)
        if (a % d == 0 && b % d == 0) sum += totient(d);
      ASSERT_EQ(sum, euclid_gcd(a, b));
    }
}

}  // namespace
}  // namespace cllm::number
