#include "crystal/prime_codes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "small_vocabulary.h"

namespace cllm {
namespace {

using number::PrimeBase;
using number::Signature;
using ::testing::HasSubstr;

const Tokenizer& vocabulary() {
  static const Tokenizer tokenizer = testing::small_vocabulary();
  return tokenizer;
}

Token token_of(const std::string& text) {
  for (Token token = 0; token < vocabulary().vocabulary_size(); ++token)
    if (vocabulary().bytes_of(token) == text) return token;
  ADD_FAILURE() << "no token " << text;
  return 0;
}

// The number of every token is squarefree, belongs to it alone, and its factors spell the token.
void expect_round_trip(const PrimeCodes& codes) {
  const PrimeBase base(static_cast<size_t>(codes.primes()));
  std::set<mpz_class> numbers;
  ASSERT_EQ(codes.tokens(), vocabulary().vocabulary_size());
  for (Token token = 0; token < codes.tokens(); ++token) {
    const mpz_class number = number::to_number(codes.signature(token), base);
    EXPECT_TRUE(numbers.insert(number).second) << vocabulary().display(token);
    const Signature factored = number::to_signature(number, base);  // refuses a square
    EXPECT_EQ(factored, codes.signature(token));
    EXPECT_EQ(codes.spell(factored), vocabulary().bytes_of(token));
    mpz_class product = 1;
    for (const int32_t prime : codes.factors(token))
      product *= base.prime(static_cast<size_t>(prime));
    EXPECT_EQ(product, number);
  }
}

TEST(PrimeCodes, FactoringATokenGivesItsBytes) {
  const PrimeCodes symbols(vocabulary());
  EXPECT_EQ(symbols.primes(), symbols.symbols());
  EXPECT_LT(symbols.primes(), vocabulary().vocabulary_size());
  expect_round_trip(symbols);
  const PrimeCodes merges(vocabulary(), symbols.primes() + 100);
  EXPECT_EQ(merges.primes(), symbols.primes() + 100);
  EXPECT_EQ(merges.symbols(), symbols.symbols());
  expect_round_trip(merges);
}

// One prime per byte, and a merge is the product of its parts: the left one as it is, the right one
// moved.
TEST(PrimeCodes, AMergeIsTheProductOfItsParts) {
  const PrimeCodes codes(vocabulary());
  const PrimeBase base(static_cast<size_t>(codes.primes()));
  const auto number = [&](Token token) { return number::to_number(codes.signature(token), base); };
  size_t longest = 0;
  for (const Merge& merge : vocabulary().merges()) {
    std::string text(vocabulary().bytes_of(merge.first));
    text += vocabulary().bytes_of(merge.second);
    const Token merged = token_of(text);
    const mpz_class quotient = number(merged) / number(merge.first);
    EXPECT_EQ(mpz_class(quotient * number(merge.first)), number(merged)) << text;
    const auto bytes = [&](Token token) { return vocabulary().bytes_of(token).size(); };
    EXPECT_EQ(codes.factors(merged).size(), text.size());
    EXPECT_EQ(codes.factors(merged).size() - codes.factors(merge.first).size(),
              bytes(merge.second));
    longest = std::max(longest, text.size());
  }
  EXPECT_GT(longest, 5u);
}

TEST(PrimeCodes, TheCommonestSymbolsHaveTheSmallestPrimes) {
  const PrimeCodes codes(vocabulary());
  std::vector<int64_t> uses(static_cast<size_t>(codes.primes()));
  for (Token token = 0; token < codes.tokens(); ++token)
    for (const int32_t prime : codes.factors(token))
      ++uses[static_cast<size_t>(prime)];
  EXPECT_TRUE(std::ranges::is_sorted(uses, std::greater<>()));
}

// In how many places two tokens have the same byte.
uint32_t common_bytes(Token a, Token b) {
  const std::string_view x = vocabulary().bytes_of(a), y = vocabulary().bytes_of(b);
  uint32_t count = 0;
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
    count += x[i] == y[i];
  return count;
}

// What two tokens share is what their numbers share. Of their ids it is nothing: the control that
// must fail.
TEST(PrimeCodes, TheGcdIsTheCommonBytesAndThatOfIdsIsNot) {
  const PrimeCodes codes(vocabulary());
  double sum_xy = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_yy = 0, n = 0;
  for (Token a = 256; a < vocabulary().end_of_text(); ++a)
    for (Token b = a + 1; b < vocabulary().end_of_text(); ++b) {
      const uint32_t shared = number::shared_weight(codes.signature(a), codes.signature(b));
      ASSERT_EQ(shared, common_bytes(a, b));
      const double x = shared, y = std::log(std::gcd(a, b));
      sum_xy += x * y, sum_x += x, sum_y += y, sum_xx += x * x, sum_yy += y * y, n += 1;
    }
  const double correlation = (n * sum_xy - sum_x * sum_y) /
                             std::sqrt((n * sum_xx - sum_x * sum_x) * (n * sum_yy - sum_y * sum_y));
  EXPECT_LT(std::abs(correlation), 0.05);
}

// A merge's prime does not depend on its place: it is in two tokens or more.
TEST(PrimeCodes, MergesSharePrimes) {
  const PrimeCodes codes(vocabulary(), PrimeCodes(vocabulary()).primes() + 100);
  std::vector<int> uses(static_cast<size_t>(codes.primes()));
  for (Token token = 0; token < codes.tokens(); ++token)
    for (const int32_t prime : codes.factors(token))
      ++uses[static_cast<size_t>(prime)];
  const auto first = uses.begin() + codes.symbols();
  EXPECT_TRUE(std::is_sorted(first, uses.end(), std::greater<>())) << "the commonest first";
  EXPECT_GE(uses.back(), 2);
  // "ing" behind stems of four and of five letters.
  std::set<size_t> places;
  std::map<int32_t, std::set<size_t>> places_of;
  for (Token token = 256; token < vocabulary().end_of_text(); ++token) {
    const size_t place = vocabulary().bytes_of(token).find("ing", 4);
    if (place == std::string_view::npos) continue;
    places.insert(place);
    for (const int32_t prime : codes.factors(token))
      if (prime >= codes.symbols()) places_of[prime].insert(place);
  }
  ASSERT_GT(places.size(), 1u);
  EXPECT_TRUE(
      std::ranges::any_of(places_of, [&](const auto& entry) { return entry.second == places; }));
}

TEST(PrimeCodes, BytesAndCharactersArePrimes) {
  const PrimeCodes bytes(Tokenizer::byte());
  EXPECT_EQ(bytes.primes(), 257);
  for (Token token = 0; token < 257; ++token)
    EXPECT_EQ(bytes.factors(token).size(), 1u);
  EXPECT_EQ(bytes.spell(bytes.signature(65)), "A");
  EXPECT_EQ(bytes.spell(bytes.signature(256)), "") << "the end of a text";
  const PrimeCodes characters(Tokenizer::from_characters({U'a', U'ä', U'z'}));
  EXPECT_EQ(characters.primes(), 4);
  for (Token token = 0; token < 3; ++token) {
    EXPECT_EQ(characters.factors(token).size(), 1u);
    EXPECT_FALSE(characters.spell(characters.signature(token)).empty());
  }
}

TEST(PrimeCodes, ANumberThatIsNoTokensIsRefused) {
  const PrimeCodes codes(vocabulary());
  const auto refusal = [&](const Signature& signature) -> std::string {
    try {
      codes.spell(signature);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "";
  };
  const auto bits = static_cast<size_t>(codes.primes());
  EXPECT_THAT(refusal(Signature(bits)), HasSubstr("has no symbol"));
  EXPECT_THAT(refusal(Signature(bits + 1)), HasSubstr("has other primes"));
  const auto both = [&](Token a, Token b) { return lcm(codes.signature(a), codes.signature(b)); };
  EXPECT_THAT(refusal(both(token_of("a"), token_of("b"))), HasSubstr("two symbols in one place"));
  EXPECT_THAT(refusal(both(token_of("a"), vocabulary().end_of_text())), HasSubstr("mixes"));
  const Token word = vocabulary().end_of_text() - 1;
  ASSERT_GT(vocabulary().bytes_of(word).size(), 1u);
  Signature gap = codes.signature(word);
  const auto first = static_cast<size_t>(
      codes.factors(token_of(std::string(vocabulary().bytes_of(word).substr(0, 1)))).front());
  gap.words()[first / 64] &= ~(uint64_t{1} << (first % 64));
  EXPECT_THAT(refusal(gap), HasSubstr("a gap"));
}

TEST(PrimeCodes, TooFewPrimesAreAnError) {
  const int64_t needed = PrimeCodes(vocabulary()).primes();
  EXPECT_EQ(PrimeCodes(vocabulary(), needed).primes(), needed);
  try {
    PrimeCodes codes(vocabulary(), needed - 1);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.embedding_primes"));
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(needed)));
  }
}

}  // namespace
}  // namespace cllm
