// Steps that the arithmetic and the text of BigFixed share. Internal to number/big_fixed*.cc.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "number/big_fixed.h"

namespace cllm::number {

inline int64_t bit_length(const mpz_class& n) {
  return n == 0 ? 0 : static_cast<int64_t>(mpz_sizeinbase(n.get_mpz_t(), 2));
}

inline mp_bitcnt_t count(int64_t bits) {
  return static_cast<mp_bitcnt_t>(bits);
}

inline void require_size(int64_t bits) {
  if (bits > BigFixed::kMaxBits)
    throw Error(ErrorKind::kMemory, "fixed-point number", fmt::format("needs {} bits", bits),
                fmt::format("at most {} are allowed", BigFixed::kMaxBits));
}

inline void require_bits(int64_t bits) {
  if (bits < 0 || bits > BigFixed::kMaxBits)
    throw Error(ErrorKind::kUsage, "fixed-point number", fmt::format("{} fractional bits", bits),
                fmt::format("0 to {} are allowed", BigFixed::kMaxBits));
}

inline mpz_class shift_left(const mpz_class& n, int64_t bits) {
  return n << count(bits);
}

// a / b to the nearest integer, ties to even; b > 0.
inline mpz_class nearest_quotient(const mpz_class& a, const mpz_class& b) {
  mpz_class quotient, rest;
  mpz_fdiv_qr(quotient.get_mpz_t(), rest.get_mpz_t(), a.get_mpz_t(), b.get_mpz_t());
  const int side = cmp(mpz_class(2 * rest), b);
  if (side > 0 || (side == 0 && mpz_odd_p(quotient.get_mpz_t()) != 0)) ++quotient;
  return quotient;
}

}  // namespace cllm::number
