// What the tests of exact numbers share: random integers of a given length, and the nearest
// multiple of 2^-bits by MPFR at a precision where its own rounding cannot matter.
#pragma once

#include <gmpxx.h>
#include <gtest/gtest.h>
#include <mpfr.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/philox.h"
#include "number/big_fixed.h"

namespace cllm::number {

// 64 random bits.
inline uint64_t random_word(uint64_t stream, uint64_t index) {
  const auto bits = Philox(4, RandomStream::kTest).bits(stream, index);
  return uint64_t{bits[0]} << 32 | bits[1];
}

// A random integer of at most `bits` bits, of either sign if `with_sign`; lengths vary.
inline mpz_class random_integer(int64_t bits, bool with_sign, uint64_t stream, uint64_t index) {
  mpz_class n = 0;
  const auto length =
      static_cast<int64_t>(random_word(stream, index * 64) % (static_cast<uint64_t>(bits) + 1));
  for (int64_t word = 0; word * 64 < length; ++word)
    n = (n << 64) + mpz_class(random_word(stream, index * 64 + 1 + static_cast<uint64_t>(word)));
  mpz_fdiv_r_2exp(n.get_mpz_t(), n.get_mpz_t(), static_cast<mp_bitcnt_t>(length));
  return with_sign && (random_word(stream, index * 64 + 63) & 1) != 0 ? mpz_class(-n) : n;
}

// An mpfr_t that frees itself.
class OracleFloat {
 public:
  explicit OracleFloat(int64_t precision) { mpfr_init2(value_, precision); }
  OracleFloat(int64_t precision, const BigFixed& a) : OracleFloat(precision) {
    mpfr_set_z_2exp(value_, a.mantissa().get_mpz_t(), -a.fraction_bits(), MPFR_RNDN);
  }
  ~OracleFloat() { mpfr_clear(value_); }
  OracleFloat(const OracleFloat&) = delete;
  OracleFloat& operator=(const OracleFloat&) = delete;
  mpfr_ptr get() { return value_; }

  // The nearest multiple of 2^-bits, as its integer, ties to even.
  mpz_class nearest(int64_t bits) {
    mpfr_mul_2si(value_, value_, bits, MPFR_RNDN);
    mpz_class integer;
    mpfr_get_z(integer.get_mpz_t(), value_, MPFR_RNDN);
    return integer;
  }

 private:
  mpfr_t value_;
};

template <class Work>
void expect_error(Work work, ErrorKind kind, const std::string& part) {
  try {
    work();
    ADD_FAILURE() << "no error, expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

}  // namespace cllm::number
