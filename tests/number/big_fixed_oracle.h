// Every operation of BigFixed against MPFR, for the fast and the slow test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "number/big_fixed.h"
#include "number/number_testing.h"

namespace cllm::number {

inline int64_t bits_of(const BigFixed& a) {
  return a.mantissa() == 0 ? 1 : static_cast<int64_t>(mpz_sizeinbase(a.mantissa().get_mpz_t(), 2));
}

// Sum, difference and product in MPFR at a precision that holds them exactly.
inline void expect_exact(const BigFixed& a, const BigFixed& b) {
  const int64_t bits = a.fraction_bits() + b.fraction_bits();
  const int64_t precision = bits_of(a) + bits_of(b) + bits + 2;
  OracleFloat x(precision, a), y(precision, b), z(precision);
  EXPECT_EQ(mpfr_add(z.get(), x.get(), y.get(), MPFR_RNDN), 0);
  EXPECT_EQ((a + b).round(bits).mantissa(), z.nearest(bits));
  EXPECT_EQ(mpfr_sub(z.get(), x.get(), y.get(), MPFR_RNDN), 0);
  EXPECT_EQ((a - b).round(bits).mantissa(), z.nearest(bits));
  EXPECT_EQ(mpfr_mul(z.get(), x.get(), y.get(), MPFR_RNDN), 0);
  EXPECT_EQ((a * b).mantissa(), z.nearest(bits));
  EXPECT_EQ((a <=> b) < 0, mpfr_cmp(x.get(), y.get()) < 0);
  EXPECT_EQ(a == b, mpfr_equal_p(x.get(), y.get()) != 0);
}

// A quotient or a root is within half a unit of its exact value, and even if it is a tie: by
// multiplying back in exact integers, and by MPFR.
inline void expect_nearest_quotient(const BigFixed& a, const BigFixed& b, int64_t bits) {
  const BigFixed quotient = divide(a, b, bits);
  ASSERT_EQ(quotient.fraction_bits(), bits);
  const mpq_class exact = mpq_class(a.mantissa() << static_cast<unsigned>(b.fraction_bits()),
                                    b.mantissa() << static_cast<unsigned>(a.fraction_bits()));
  mpq_class value = exact;
  value.canonicalize();
  value <<= static_cast<mp_bitcnt_t>(bits);
  mpq_class error = value - mpq_class(quotient.mantissa());
  error = ::abs(error);
  EXPECT_LE(error, mpq_class(1, 2));
  const bool tie = error == mpq_class(1, 2);
  EXPECT_TRUE(!tie || mpz_even_p(quotient.mantissa().get_mpz_t()));
}

inline void expect_nearest_root(const BigFixed& a, int64_t bits) {
  const BigFixed root = sqrt(a, bits);
  ASSERT_EQ(root.fraction_bits(), bits);
  // (r - 1/2)^2 <= a 4^bits <= (r + 1/2)^2, in quarters.
  mpq_class value(a.mantissa(), mpz_class(1) << static_cast<mp_bitcnt_t>(a.fraction_bits()));
  value.canonicalize();
  value <<= static_cast<mp_bitcnt_t>(2 * bits + 2);
  const mpz_class twice = 2 * root.mantissa();
  const mpz_class low = twice > 0 ? mpz_class((twice - 1) * (twice - 1)) : mpz_class(0);
  const mpz_class high = (twice + 1) * (twice + 1);
  EXPECT_LE(mpq_class(low), value);
  EXPECT_LE(value, mpq_class(high));
  const bool tie = value == mpq_class(high) || (twice > 0 && value == mpq_class(low));
  EXPECT_TRUE(!tie || mpz_even_p(root.mantissa().get_mpz_t()));
}

using OurFunction = BigFixed (*)(const BigFixed&, int64_t);
using MpfrFunction = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);

// `precision` bits must be so many that MPFR's rounding cannot cross a tie: the length of the
// argument three times over, and 256 for what lies before the point, is ample for these arguments.
inline void expect_nearest_function(OurFunction ours, MpfrFunction theirs, const BigFixed& a,
                                    int64_t bits) {
  const int64_t precision = 3 * (bits + bits_of(a) + a.fraction_bits()) + 256;
  OracleFloat x(precision, a), y(precision);
  theirs(y.get(), x.get(), MPFR_RNDN);
  const BigFixed result = ours(a, bits);
  EXPECT_EQ(result.fraction_bits(), bits);
  EXPECT_EQ(result.mantissa(), y.nearest(bits)) << a.to_string() << " at " << bits;
}

// Everything for one pair; exp only where the result is not huge.
inline void expect_all(const BigFixed& a, const BigFixed& b, int64_t bits) {
  const BigFixed magnitude = a.mantissa() < 0 ? -a : a;
  expect_exact(a, b);
  if (b.mantissa() != 0) expect_nearest_quotient(a, b, bits);
  expect_nearest_root(magnitude, bits);
  if (magnitude < BigFixed(150)) expect_nearest_function(exp, mpfr_exp, a, bits);
  if (magnitude.mantissa() != 0) expect_nearest_function(log, mpfr_log, magnitude, bits);
  expect_nearest_function(sin, mpfr_sin, a, bits);
  expect_nearest_function(cos, mpfr_cos, a, bits);
  EXPECT_EQ(BigFixed::parse(a.to_string(), a.fraction_bits()), a);
}

// Random numbers of up to 256 bits before and behind the point.
inline void expect_all_random(uint64_t begin, uint64_t end) {
  for (uint64_t i = begin; i < end && !::testing::Test::HasFailure(); ++i) {
    const auto length = [&](uint64_t stream) {
      return static_cast<int64_t>(random_word(stream, i) % 257);
    };
    expect_all(BigFixed(random_integer(256, true, 4, i), length(1)),
               BigFixed(random_integer(256, true, 5, i), length(2)), length(3));
  }
}

}  // namespace cllm::number
