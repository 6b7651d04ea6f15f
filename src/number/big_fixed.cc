#include "number/big_fixed.h"

#include <mpfr.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "number/big_fixed_steps.h"

namespace cllm::number {
namespace {

[[noreturn]] void outside_domain(const char* function, const char* what) {
  throw Error(ErrorKind::kUsage, function, what, "");
}

// n / 2^bits to the nearest integer, ties to even; bits >= 0.
mpz_class shift_right(const mpz_class& n, int64_t bits) {
  if (bits == 0) return n;
  mpz_class quotient;
  mpz_fdiv_q_2exp(quotient.get_mpz_t(), n.get_mpz_t(), count(bits));
  const bool half = mpz_tstbit(n.get_mpz_t(), count(bits - 1)) != 0;
  if (!half) return quotient;
  const bool above_half = mpz_scan1(n.get_mpz_t(), 0) < count(bits - 1);
  if (above_half || mpz_odd_p(quotient.get_mpz_t()) != 0) ++quotient;
  return quotient;
}

class Float {
 public:
  explicit Float(int64_t precision) {
    mpfr_init2(value_, static_cast<mpfr_prec_t>(std::max<int64_t>(precision, MPFR_PREC_MIN)));
  }
  // The exact value of a.
  explicit Float(const BigFixed& a) : Float(bit_length(a.mantissa())) {
    mpfr_set_z_2exp(value_, a.mantissa().get_mpz_t(), static_cast<mpfr_exp_t>(-a.fraction_bits()),
                    MPFR_RNDN);
  }
  ~Float() { mpfr_clear(value_); }
  Float(const Float&) = delete;
  Float& operator=(const Float&) = delete;

  mpfr_ptr get() { return value_; }
  // The nearest integer to value * 2^bits; the value is lost.
  mpz_class scaled(int64_t bits) {
    mpfr_mul_2si(value_, value_, static_cast<long>(bits), MPFR_RNDN);
    mpz_class integer;
    mpfr_get_z(integer.get_mpz_t(), value_, MPFR_RNDN);
    return integer;
  }

 private:
  mpfr_t value_;
};

using Function = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);

// Rounds function(a), which is no multiple of 2^-(bits + 1), from an enclosure by two neighbours of
// ever higher precision. `whole`: bits before the point of the result, at most.
BigFixed enclosed(Function function, const BigFixed& a, int64_t bits, int64_t whole) {
  Float x(a);
  for (int64_t precision = bits + whole + 32;; precision += precision / 2) {
    Float low(precision), high(precision);
    function(low.get(), x.get(), MPFR_RNDD);
    mpfr_set(high.get(), low.get(), MPFR_RNDN);
    mpfr_nextabove(high.get());
    mpz_class below = low.scaled(bits);
    if (below == high.scaled(bits)) return BigFixed(std::move(below), bits);
  }
}

}  // namespace

BigFixed::BigFixed(mpz_class mantissa, int64_t fraction_bits)
    : mantissa_(std::move(mantissa)), fraction_bits_(fraction_bits) {
  require_bits(fraction_bits);
  require_size(bit_length(mantissa_));
}

BigFixed BigFixed::from_double(double value) {
  int exponent = 0;
  if (!(std::abs(value) <= std::numeric_limits<double>::max()))
    throw Error(ErrorKind::kData, "fixed-point number", "not finite", "give a finite number");
  mpz_class mantissa(std::ldexp(std::frexp(value, &exponent), 53));
  exponent -= 53;
  if (mantissa == 0) return {};
  const auto zeros = static_cast<int>(mpz_scan1(mantissa.get_mpz_t(), 0));
  mantissa >>= static_cast<mp_bitcnt_t>(zeros);
  exponent += zeros;
  if (exponent >= 0) return BigFixed(shift_left(mantissa, exponent));
  return BigFixed(std::move(mantissa), -exponent);
}

double BigFixed::to_double() const {
  Float x(*this);
  return mpfr_get_d(x.get(), MPFR_RNDN);
}

mpz_class BigFixed::floor() const {
  return mantissa_ >> count(fraction_bits_);  // of a negative number too: gmpxx shifts to the floor
}

BigFixed BigFixed::round(int64_t bits) const {
  require_bits(bits);
  if (bits <= fraction_bits_) return BigFixed(shift_right(mantissa_, fraction_bits_ - bits), bits);
  require_size(bit_length(mantissa_) + bits - fraction_bits_);
  return BigFixed(shift_left(mantissa_, bits - fraction_bits_), bits);
}

BigFixed operator+(const BigFixed& a, const BigFixed& b) {
  const int64_t bits = std::max(a.fraction_bits_, b.fraction_bits_);
  return BigFixed(a.round(bits).mantissa_ + b.round(bits).mantissa_, bits);
}

BigFixed operator-(const BigFixed& a, const BigFixed& b) {
  return a + -b;
}

BigFixed operator*(const BigFixed& a, const BigFixed& b) {
  require_size(a.fraction_bits_ + b.fraction_bits_);
  require_size(bit_length(a.mantissa_) + bit_length(b.mantissa_));
  return BigFixed(a.mantissa_ * b.mantissa_, a.fraction_bits_ + b.fraction_bits_);
}

std::strong_ordering operator<=>(const BigFixed& a, const BigFixed& b) {
  const int64_t bits = std::max(a.fraction_bits_, b.fraction_bits_);
  return cmp(shift_left(a.mantissa_, bits - a.fraction_bits_),
             shift_left(b.mantissa_, bits - b.fraction_bits_)) <=> 0;
}

bool operator==(const BigFixed& a, const BigFixed& b) {
  return (a <=> b) == 0;
}

BigFixed divide(const BigFixed& a, const BigFixed& b, int64_t bits) {
  require_bits(bits);
  if (b.mantissa() == 0) outside_domain("divide", "division by zero");
  mpz_class numerator = shift_left(a.mantissa(), bits + b.fraction_bits());
  mpz_class denominator = shift_left(b.mantissa(), a.fraction_bits());
  require_size(bit_length(numerator) - bit_length(denominator));
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  return BigFixed(nearest_quotient(numerator, denominator), bits);
}

BigFixed sqrt(const BigFixed& a, int64_t bits) {
  require_bits(bits);
  if (a.mantissa() < 0) outside_domain("sqrt", "a negative number has no real root");
  // The root of a.mantissa * 2^shift is wanted; `cut` bits of it lie behind its point.
  const int64_t shift = 2 * bits - a.fraction_bits(), cut = std::max<int64_t>(-shift, 0);
  require_size((bit_length(a.mantissa()) + shift) / 2);
  const mpz_class whole =
      shift >= 0 ? shift_left(a.mantissa(), shift) : mpz_class(a.mantissa() >> count(cut));
  mpz_class root, rest;
  mpz_sqrtrem(root.get_mpz_t(), rest.get_mpz_t(), whole.get_mpz_t());
  // (root + 1/2)^2 = root^2 + root + 1/4: compare the rest with root, then what was cut with 1/4.
  int side = cmp(rest, root);
  if (side == 0) {
    mpz_class behind;
    mpz_fdiv_r_2exp(behind.get_mpz_t(), a.mantissa().get_mpz_t(), count(cut));
    side = cmp(mpz_class(4 * behind), shift_left(1, cut));
  }
  if (side > 0 || (side == 0 && mpz_odd_p(root.get_mpz_t()) != 0)) ++root;
  return BigFixed(std::move(root), bits);
}

BigFixed exp(const BigFixed& a, int64_t bits) {
  require_bits(bits);
  if (a.mantissa() == 0) return BigFixed(1).round(bits);
  constexpr double kBitsPerNat = 1.4426950408889634;
  const double magnitude = a.to_double() * kBitsPerNat;  // log2 of the result
  if (!(magnitude < static_cast<double>(BigFixed::kMaxBits - bits)))
    throw Error(ErrorKind::kMemory, "exp", "the result is too large",
                fmt::format("at most {} bits are allowed", BigFixed::kMaxBits));
  if (magnitude < static_cast<double>(-bits - 2)) return BigFixed(0, bits);
  return enclosed(mpfr_exp, a, bits, std::max<int64_t>(static_cast<int64_t>(magnitude) + 2, 0));
}

BigFixed log(const BigFixed& a, int64_t bits) {
  require_bits(bits);
  if (a.mantissa() <= 0) outside_domain("log", "only positive numbers have a logarithm");
  if (a == BigFixed(1)) return BigFixed(0, bits);
  constexpr int64_t kWhole = 26;  // |log| < ln 2 * (2 kMaxBits)
  return enclosed(mpfr_log, a, bits, kWhole);
}

BigFixed sin(const BigFixed& a, int64_t bits) {
  require_bits(bits);
  if (a.mantissa() == 0) return BigFixed(0, bits);
  return enclosed(mpfr_sin, a, bits, 1);
}

BigFixed cos(const BigFixed& a, int64_t bits) {
  require_bits(bits);
  if (a.mantissa() == 0) return BigFixed(1).round(bits);
  return enclosed(mpfr_cos, a, bits, 1);
}

}  // namespace cllm::number
