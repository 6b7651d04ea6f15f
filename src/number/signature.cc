#include "number/signature.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/error.h"
#include "number/primes.h"

namespace cllm::number {
namespace {

constexpr size_t kMaxBase = size_t{1} << 20;

uint32_t ones(uint64_t word) {
  return static_cast<uint32_t>(std::popcount(word));
}

template <class Combine>
Signature combined(const Signature& a, const Signature& b, Combine combine) {
  CHECK_EQ(a.bits(), b.bits());
  Signature result(a.bits());
  std::transform(a.words().begin(), a.words().end(), b.words().begin(), result.words().begin(),
                 combine);
  return result;
}

// By halves, so that the factors of every product are of about the same length.
mpz_class product(std::span<const uint64_t> factors) {
  if (factors.empty()) return 1;
  if (factors.size() == 1) return mpz_class(factors[0]);
  const size_t half = factors.size() / 2;
  return product(factors.first(half)) * product(factors.subspan(half));
}

[[noreturn]] void no_signature(const char* why) {
  throw Error(ErrorKind::kUsage, "signature", why,
              "it must be a product of different primes of the base");
}

}  // namespace

PrimeBase::PrimeBase(size_t size) {
  if (size < 1 || size > kMaxBase)
    throw Error(ErrorKind::kUsage, "prime base", fmt::format("{} primes", size),
                fmt::format("1 to {}", kMaxBase));
  primes_ = first_primes(size);
}

std::optional<size_t> PrimeBase::index(uint64_t prime) const {
  const auto at = std::lower_bound(primes_.begin(), primes_.end(), prime);
  if (at == primes_.end() || *at != prime) return std::nullopt;
  return static_cast<size_t>(at - primes_.begin());
}

uint32_t Signature::weight() const {
  uint32_t sum = 0;
  for (const uint64_t word : words_)
    sum += ones(word);
  return sum;
}

Signature gcd(const Signature& a, const Signature& b) {
  return combined(a, b, [](uint64_t x, uint64_t y) { return x & y; });
}

Signature lcm(const Signature& a, const Signature& b) {
  return combined(a, b, [](uint64_t x, uint64_t y) { return x | y; });
}

bool divides(const Signature& a, const Signature& b) {
  CHECK_EQ(a.bits(), b.bits());
  return std::equal(a.words().begin(), a.words().end(), b.words().begin(),
                    [](uint64_t x, uint64_t y) { return (x & ~y) == 0; });
}

uint32_t shared_weight(const Signature& a, const Signature& b) {
  CHECK_EQ(a.bits(), b.bits());
  uint32_t sum = 0;
  for (size_t i = 0; i < a.words().size(); ++i)
    sum += ones(a.words()[i] & b.words()[i]);
  return sum;
}

mpz_class to_number(const Signature& signature, const PrimeBase& base) {
  CHECK(signature.bits() <= base.size());
  std::vector<uint64_t> factors;
  for (size_t i = 0; i < signature.bits(); ++i)
    if (signature.contains(i)) factors.push_back(base.prime(i));
  return product(factors);
}

Signature to_signature(const mpz_class& n, const PrimeBase& base) {
  if (n <= 0) no_signature("the number is not positive");
  Signature signature(base.size());
  mpz_class rest = n;
  for (size_t i = 0; i < base.size() && rest != 1; ++i) {
    const uint64_t p = base.prime(i);
    if (mpz_divisible_ui_p(rest.get_mpz_t(), p) == 0) continue;
    rest /= p;
    if (mpz_divisible_ui_p(rest.get_mpz_t(), p) != 0) no_signature("the number has a square in it");
    signature.insert(i);
  }
  if (rest != 1) no_signature("the number has a prime outside the base");
  return signature;
}

}  // namespace cllm::number
