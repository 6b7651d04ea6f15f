#include "number/big_fixed.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "number/big_fixed_oracle.h"

namespace cllm::number {
namespace {

BigFixed power_of_two(int64_t exponent) {
  return exponent >= 0 ? BigFixed(mpz_class(1) << static_cast<mp_bitcnt_t>(exponent))
                       : BigFixed(1, -exponent);
}

// Zero, one, halves, neighbours of powers of two, tiny and huge, of both signs.
std::vector<BigFixed> edge_cases() {
  std::vector<BigFixed> cases = {BigFixed(), BigFixed(0, 64), BigFixed(3), BigFixed(9, 2)};
  for (const int64_t e : {-200, -65, -64, -8, -2, -1, 0, 1, 2, 63, 64, 200}) {
    const BigFixed power = power_of_two(e), ulp = power_of_two(std::min<int64_t>(e, 0) - 7);
    for (const BigFixed& a : {power, power + ulp, power - ulp}) {
      cases.push_back(a);
      cases.push_back(-a);
    }
  }
  return cases;
}

TEST(BigFixed, MatchesMpfrOnEdgeCases) {
  const std::vector<BigFixed> cases = edge_cases();
  for (const int64_t bits : {0, 1, 7, 64, 130})
    for (size_t i = 0; i < cases.size(); ++i)
      expect_all(cases[i], cases[(7 * i + 3) % cases.size()], bits);
}

TEST(BigFixed, QuotientsAndSumsOfAllPairsOfEdgeCases) {
  const std::vector<BigFixed> cases = edge_cases();
  for (const BigFixed& a : cases)
    for (const BigFixed& b : cases) {
      expect_exact(a, b);
      if (b.mantissa() != 0)
        for (const int64_t bits : {0, 1, 64})
          expect_nearest_quotient(a, b, bits);
    }
}

TEST(BigFixed, MatchesMpfrOnRandomNumbers) {
  expect_all_random(0, 1000);  // 10^5: slow_big_fixed_test.cc
}

TEST(BigFixed, OracleRejectsAWrongResult) {
  // One unit off at any length is caught; so is rounding down, MPFR's other mode.
  const BigFixed third = divide(BigFixed(1), BigFixed(3), 100);
  OracleFloat x(500, BigFixed(1));
  mpfr_div_ui(x.get(), x.get(), 3, MPFR_RNDN);
  const mpz_class nearest = x.nearest(100);
  EXPECT_EQ(third.mantissa(), nearest);
  EXPECT_NE(mpz_class(third.mantissa() + 1), nearest);
  EXPECT_NE(mpz_class(third.mantissa() - 1), nearest);
}

TEST(BigFixed, BreaksTiesToEven) {
  const auto quotient = [](int a, int b) { return divide(BigFixed(a), BigFixed(b), 0).mantissa(); };
  EXPECT_EQ(quotient(1, 2), 0);
  EXPECT_EQ(quotient(3, 2), 2);
  EXPECT_EQ(quotient(5, 2), 2);
  EXPECT_EQ(quotient(-1, 2), 0);
  EXPECT_EQ(quotient(-3, 2), -2);
  EXPECT_EQ(quotient(5, -2), -2);
  EXPECT_EQ(BigFixed(5, 1).round(0).mantissa(), 2);
  EXPECT_EQ(BigFixed(7, 1).round(0).mantissa(), 4);
  EXPECT_EQ(BigFixed(-5, 1).round(0).mantissa(), -2);
  EXPECT_EQ(BigFixed(-7, 1).round(0).mantissa(), -4);
  EXPECT_EQ(BigFixed(9, 2).round(0).mantissa(), 2);
  EXPECT_EQ(sqrt(BigFixed(1, 2), 0).mantissa(), 0);   // 1/2
  EXPECT_EQ(sqrt(BigFixed(9, 2), 0).mantissa(), 2);   // 3/2
  EXPECT_EQ(sqrt(BigFixed(25, 2), 0).mantissa(), 2);  // 5/2
  EXPECT_EQ(sqrt(BigFixed(26, 2), 0).mantissa(), 3);
}

TEST(BigFixed, RoundsFunctionsNextToATie) {
  // exp(2^-(b + 1)) is 2^-(2b + 3) above the tie between 1 and 1 + 2^-b; sin and cos come as near.
  for (const int64_t bits : {1, 10, 64, 300}) {
    expect_nearest_function(exp, mpfr_exp, power_of_two(-bits - 1), bits);
    expect_nearest_function(exp, mpfr_exp, -power_of_two(-bits - 1), bits);
    expect_nearest_function(sin, mpfr_sin, power_of_two(-bits - 1), bits);
    expect_nearest_function(log, mpfr_log, BigFixed(1) + power_of_two(-bits - 1), bits);
    expect_nearest_function(cos, mpfr_cos, power_of_two(-bits / 2), bits);
  }
}

TEST(BigFixed, KnowsPiAndE) {
  // 50 digits; the error of 200 bits is far below the last of them.
  const std::string e = exp(BigFixed(1), 200).to_string();
  EXPECT_EQ(e.substr(0, 52), "2.71828182845904523536028747135266249775724709369995");
  const std::string ln2 = log(BigFixed(2), 200).to_string();
  EXPECT_EQ(ln2.substr(0, 50), "0.693147180559945309417232121458176568075500134360");
  const std::string root = sqrt(BigFixed(2), 200).to_string();
  EXPECT_EQ(root.substr(0, 50), "1.414213562373095048801688724209698078569671875376");
}

TEST(BigFixed, ReducesHugeAngles) {
  mpz_class huge;
  mpz_ui_pow_ui(huge.get_mpz_t(), 10, 5000);
  const BigFixed a(huge);
  expect_nearest_function(sin, mpfr_sin, a, 64);
  expect_nearest_function(cos, mpfr_cos, -a, 64);
  EXPECT_EQ(exp(-a, 64), BigFixed());
  expect_error([&] { exp(a, 64); }, ErrorKind::kMemory, "too large");
}

TEST(BigFixed, RefusesWhatIsUndefined) {
  expect_error([] { divide(BigFixed(1), BigFixed(0, 5), 8); }, ErrorKind::kUsage, "by zero");
  expect_error([] { sqrt(BigFixed(-1), 8); }, ErrorKind::kUsage, "negative");
  expect_error([] { log(BigFixed(0), 8); }, ErrorKind::kUsage, "positive");
  expect_error([] { log(BigFixed(-1), 8); }, ErrorKind::kUsage, "positive");
  expect_error([] { exp(BigFixed(1), -1); }, ErrorKind::kUsage, "-1 fractional bits");
  expect_error([] { BigFixed(1, BigFixed::kMaxBits + 1); }, ErrorKind::kUsage, "fractional bits");
}

TEST(BigFixed, RefusesWhatWouldNotFit) {
  const BigFixed wide(mpz_class(1) << static_cast<mp_bitcnt_t>(BigFixed::kMaxBits - 1));
  const BigFixed fine(1, BigFixed::kMaxBits);
  expect_error([&] { wide + wide; }, ErrorKind::kMemory, "bits");
  expect_error([&] { wide* wide; }, ErrorKind::kMemory, "bits");
  expect_error([&] { fine* fine; }, ErrorKind::kMemory, "bits");
  expect_error([&] { wide + fine; }, ErrorKind::kMemory, "bits");
  expect_error([&] { divide(wide, fine, 0); }, ErrorKind::kMemory, "bits");
  EXPECT_LT(fine, wide);
  EXPECT_EQ(divide(fine, wide, 64), BigFixed());
}

TEST(BigFixed, DoublesGoBothWays) {
  const std::vector<double> values = {0.0,
                                      1.0,
                                      -1.5,
                                      0.1,
                                      std::numeric_limits<double>::max(),
                                      std::numeric_limits<double>::min(),
                                      std::numeric_limits<double>::denorm_min(),
                                      -4.9e-320,
                                      1e300};
  for (const double value : values)
    EXPECT_EQ(BigFixed::from_double(value).to_double(), value);
  EXPECT_EQ(BigFixed::from_double(0.75).fraction_bits(), 2);
  EXPECT_EQ(BigFixed::from_double(48.0).fraction_bits(), 0);
  // Rounded to nearest, also among the subnormals: 2^-1075 is a tie to zero, three of it to two.
  EXPECT_EQ(power_of_two(-1075).to_double(), 0.0);
  EXPECT_EQ((BigFixed(3) * power_of_two(-1075)).to_double(), 0x1.0p-1073);
  EXPECT_EQ((power_of_two(53) + BigFixed(1)).to_double(), 0x1.0p53);
  EXPECT_EQ(power_of_two(2000).to_double(), std::numeric_limits<double>::infinity());
  expect_error([] { BigFixed::from_double(std::nan("")); }, ErrorKind::kData, "not finite");
  expect_error([] { BigFixed::from_double(-INFINITY); }, ErrorKind::kData, "not finite");
}

TEST(BigFixed, FloorsTowardsMinusInfinity) {
  EXPECT_EQ(BigFixed(7, 1).floor(), 3);
  EXPECT_EQ(BigFixed(-7, 1).floor(), -4);
  EXPECT_EQ(BigFixed(-8, 1).floor(), -4);
}

TEST(BigFixedText, PrintsExactly) {
  EXPECT_EQ(BigFixed().to_string(), "0");
  EXPECT_EQ(BigFixed(0, 10).to_string(), "0");
  EXPECT_EQ(BigFixed(-25, 1).to_string(), "-12.5");
  EXPECT_EQ(BigFixed(1, 10).to_string(), "0.0009765625");
  EXPECT_EQ(BigFixed(1024, 10).to_string(), "1");
  EXPECT_EQ(BigFixed(100).to_string(), "100");
  EXPECT_EQ(BigFixed(-1, 3).to_string(), "-0.125");
}

TEST(BigFixedText, ParsesToTheNearest) {
  const auto parsed = [](const char* text, int64_t bits) {
    return BigFixed::parse(text, bits).to_string();
  };
  EXPECT_EQ(parsed("-12.5", 1), "-12.5");
  EXPECT_EQ(parsed("+.5", 1), "0.5");
  EXPECT_EQ(parsed("5.", 0), "5");
  EXPECT_EQ(parsed("007", 0), "7");
  EXPECT_EQ(parsed("3e2", 0), "300");
  EXPECT_EQ(parsed("3125E-3", 3), "3.125");
  EXPECT_EQ(parsed("0.1", 4), "0.125");
  EXPECT_EQ(parsed("0.5", 0), "0");
  EXPECT_EQ(parsed("1.5", 0), "2");
  EXPECT_EQ(parsed("2.5", 0), "2");
  EXPECT_EQ(parsed("2.5000000000000000000000000000000001", 0), "3");
  EXPECT_EQ(parsed("-2.5000000000000000000000000000000001", 0), "-3");
  EXPECT_EQ(parsed("1e-999999999999999999999", 64), "0");
  EXPECT_EQ(parsed("0e999999999999999999999", 64), "0");
}

TEST(BigFixedText, TakesAMillionDigits) {
  const std::string digits = "1" + std::string(999999, '7');
  EXPECT_EQ(BigFixed::parse(digits, 0).to_string(), digits);
  EXPECT_EQ(BigFixed::parse("0." + digits, 64), BigFixed::parse("0.1" + std::string(60, '7'), 64));
}

TEST(BigFixedText, RefusesAnythingElse) {
  for (const char* text : {"", "+", "-", ".", "e5", "1e", "1e+", "1 ", " 1", "1.2.3", "1e2.5",
                           "--1", "0x10", "nan", "inf", "1,5", "\n", "12a"})
    expect_error([&] { BigFixed::parse(text, 8); }, ErrorKind::kData, "no decimal number");
  expect_error([] { BigFixed::parse(std::string(1000, 'x') + "\n", 8); }, ErrorKind::kData,
               "'xxxxxxxxxxxxxxxxxxxx'");
  expect_error([] { BigFixed::parse("1e99999999999999999999999", 8); }, ErrorKind::kMemory, "bits");
  expect_error([] { BigFixed::parse("1", -1); }, ErrorKind::kUsage, "fractional bits");
}

}  // namespace
}  // namespace cllm::number
