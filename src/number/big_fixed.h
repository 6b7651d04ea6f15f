// BigFixed: signed fixed-point numbers m / 2^k with an integer m of any length. Sums and products
// are exact; quotients, roots and functions are correctly rounded to the nearest multiple of
// 2^-bits, ties to the even one (Ziv's method over MPFR's enclosures: by Lindemann's theorem exp,
// log, sin and cos of a binary fraction are never a tie, but for the trivial arguments). Values are
// immutable in use, own their digits, and may be read by many threads.
#pragma once

#include <gmpxx.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace cllm::number {

class BigFixed {
 public:
  // The most bits of a value, before and after the point. What would be longer is an Error
  // (kMemory), before anything is computed.
  static constexpr int64_t kMaxBits = int64_t{1} << 24;

  BigFixed() = default;  // 0, no fractional bits
  // mantissa / 2^fraction_bits, 0 <= fraction_bits <= kMaxBits.
  explicit BigFixed(mpz_class mantissa, int64_t fraction_bits = 0);

  // A decimal number, "-12.5", "+.5", "3e-7", rounded correctly to a multiple of 2^-bits. Error
  // (kData) that quotes the beginning of anything else.
  static BigFixed parse(std::string_view text, int64_t bits);
  // Exactly, with the fewest fractional bits. Error (kData) for NaN and infinities.
  static BigFixed from_double(double value);

  const mpz_class& mantissa() const { return mantissa_; }
  int64_t fraction_bits() const { return fraction_bits_; }

  // Exactly; a finite decimal: "-12.5", "0", "3". parse(to_string(), fraction_bits()) == *this.
  std::string to_string() const;
  // Rounded to nearest even; infinite beyond the range.
  double to_double() const;
  // The greatest integer <= *this.
  mpz_class floor() const;

  // The nearest multiple of 2^-bits, ties to even; exact if bits >= fraction_bits().
  BigFixed round(int64_t bits) const;

  // Exact. The fractional bits: the larger of both, and for the product their sum.
  friend BigFixed operator+(const BigFixed& a, const BigFixed& b);
  friend BigFixed operator-(const BigFixed& a, const BigFixed& b);
  friend BigFixed operator*(const BigFixed& a, const BigFixed& b);
  BigFixed operator-() const { return BigFixed(-mantissa_, fraction_bits_); }

  // By value: 1/2 == 2/4.
  friend bool operator==(const BigFixed& a, const BigFixed& b);
  friend std::strong_ordering operator<=>(const BigFixed& a, const BigFixed& b);

 private:
  mpz_class mantissa_ = 0;
  int64_t fraction_bits_ = 0;
};

// Correctly rounded to the nearest multiple of 2^-bits, ties to even; 0 <= bits <= kMaxBits.
// Error (kUsage) outside the domain: division by zero, the root of a negative number, the logarithm
// of anything but a positive one. Angles in radians.
BigFixed divide(const BigFixed& a, const BigFixed& b, int64_t bits);
BigFixed sqrt(const BigFixed& a, int64_t bits);
BigFixed exp(const BigFixed& a, int64_t bits);
BigFixed log(const BigFixed& a, int64_t bits);
BigFixed sin(const BigFixed& a, int64_t bits);
BigFixed cos(const BigFixed& a, int64_t bits);

}  // namespace cllm::number
