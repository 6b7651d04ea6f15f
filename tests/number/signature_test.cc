#include "number/signature.h"

#include <gtest/gtest.h>

#include "number/factor.h"
#include "number/gcd.h"
#include "number/number_testing.h"
#include "number/primes.h"

namespace cllm::number {
namespace {

// About one bit in `rarity` set.
Signature random_signature(size_t bits, uint64_t rarity, uint64_t stream, uint64_t row) {
  Signature signature(bits);
  for (size_t i = 0; i < bits; ++i)
    if (random_word(stream, row * bits + i) % rarity == 0) signature.insert(i);
  return signature;
}

TEST(PrimeBase, KnowsItsPrimes) {
  const PrimeBase base(1000);
  EXPECT_EQ(base.prime(0), 2u);
  EXPECT_EQ(base.prime(999), 7919u);
  for (size_t i = 0; i < base.size(); ++i)
    ASSERT_EQ(base.index(base.prime(i)), i);
  EXPECT_EQ(base.index(4), std::nullopt);
  EXPECT_EQ(base.index(7927), std::nullopt);
  expect_error([] { PrimeBase(0); }, ErrorKind::kUsage, "0 primes");
  expect_error([] { PrimeBase(size_t{1} << 40); }, ErrorKind::kUsage, "primes");
}

TEST(Signature, IsTheNumberInAllThatGcdAndLcmSay) {
  const PrimeBase base(200);
  for (uint64_t i = 0; i < 200; ++i) {
    const Signature a = random_signature(base.size(), 1 + i % 9, 1, i);
    const Signature b = random_signature(base.size(), 1 + i % 7, 2, i);
    const mpz_class x = to_number(a, base), y = to_number(b, base);
    const mpz_class common = ::gcd(x, y);
    EXPECT_EQ(to_number(gcd(a, b), base), common);
    EXPECT_EQ(to_number(lcm(a, b), base), ::lcm(x, y));
    EXPECT_EQ(divides(a, b), mpz_divisible_p(y.get_mpz_t(), x.get_mpz_t()) != 0);
    EXPECT_TRUE(divides(gcd(a, b), a));
    EXPECT_TRUE(divides(a, lcm(a, b)));
    EXPECT_EQ(shared_weight(a, b), to_signature(common, base).weight());
    EXPECT_EQ(to_signature(x, base), a);  // hence different sets are different numbers
  }
}

TEST(Signature, AgreesWithFactoringOnSmallNumbers) {
  const PrimeBase base(15);
  for (uint64_t n = 1; n <= 2000; ++n) {
    bool representable = true;
    for (const PrimePower& power : factorize(n))
      representable = representable && power.exponent == 1 && power.prime <= 47;
    if (!representable) {
      EXPECT_THROW(to_signature(mpz_class(n), base), Error) << n;
      continue;
    }
    const Signature signature = to_signature(mpz_class(n), base);
    EXPECT_EQ(signature.weight(), factorize(n).size());
    EXPECT_EQ(to_number(signature, base), mpz_class(n));
  }
}

TEST(Signature, GcdOfWordsIsAnd) {
  // The benchmark's premise: Euclid on products of 15 primes, AND on their sets.
  const PrimeBase base(15);
  for (uint64_t i = 0; i < 1000; ++i) {
    const Signature a = random_signature(15, 2, 3, i), b = random_signature(15, 2, 4, i);
    const uint64_t x = to_number(a, base).get_ui(), y = to_number(b, base).get_ui();
    EXPECT_EQ(to_signature(mpz_class(euclid_gcd(x, y)), base).words()[0],
              a.words()[0] & b.words()[0]);
  }
}

TEST(Signature, FitsFifteenPrimesInAWord) {
  const PrimeBase base(16);
  Signature all(16);
  for (size_t i = 0; i < 15; ++i)
    all.insert(i);
  EXPECT_EQ(to_number(all, base), mpz_class("614889782588491410"));
  all.insert(15);
  EXPECT_GT(to_number(all, base), mpz_class("18446744073709551615"));
}

TEST(Signature, RefusesOtherNumbers) {
  const PrimeBase base(4);
  expect_error([&] { to_signature(0, base); }, ErrorKind::kUsage, "not positive");
  expect_error([&] { to_signature(-6, base); }, ErrorKind::kUsage, "not positive");
  expect_error([&] { to_signature(12, base); }, ErrorKind::kUsage, "square");
  expect_error([&] { to_signature(22, base); }, ErrorKind::kUsage, "outside the base");
  EXPECT_EQ(to_signature(1, base).weight(), 0u);
  EXPECT_EQ(to_number(Signature(4), base), 1);
}

}  // namespace
}  // namespace cllm::number
