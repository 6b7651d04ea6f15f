#include "optim/exact_sum.h"

#include <gtest/gtest.h>
#include <mpfr.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/philox.h"
#include "testing_tables.h"

namespace cllm::optim {
namespace {

using namespace cllm::testing;

using Terms = std::vector<std::vector<float>>;  // each of the same length

constexpr float kInfinite = std::numeric_limits<float>::infinity();

// The sum as ExactSum has it, `together` terms at a time.
std::vector<float> exact_sum(const Terms& terms, int digits, const ops::Context& context,
                             size_t together = 3) {
  const auto count = static_cast<int64_t>(terms.front().size());
  ExactSum sum(count, digits);
  for (size_t i = 0; i < terms.size(); i += together) {
    std::vector<const float*> parts;
    for (size_t j = i; j < std::min(terms.size(), i + together); ++j)
      parts.push_back(terms[j].data());
    sum.add(context, parts);
  }
  std::vector<float> out(terms.front().size(), 1.5f);
  sum.round_to(context, out.data());
  return out;
}

std::vector<float> exact_sum(const Terms& terms, int digits, size_t together = 3) {
  ThreadPool pool(2);
  return exact_sum(terms, digits, {pool, kernels::chosen_table()}, together);
}

std::vector<float> plain_sum(const Terms& terms) {
  std::vector<float> out(terms.front().size());
  for (const std::vector<float>& term : terms)
    for (size_t i = 0; i < out.size(); ++i)
      out[i] += term[i];
  return out;
}

// By MPFR, rounded once: fp32 spans 277 bits, and 2^23 terms add 23.
std::vector<float> oracle_sum(const Terms& terms) {
  std::vector<float> out(terms.front().size());
  mpfr_t sum;
  mpfr_init2(sum, 320);
  for (size_t i = 0; i < out.size(); ++i) {
    mpfr_set_zero(sum, 1);
    for (const std::vector<float>& term : terms)
      EXPECT_EQ(mpfr_add_d(sum, sum, static_cast<double>(term[i]), MPFR_RNDN), 0) << "not exact";
    out[i] = mpfr_get_flt(sum, MPFR_RNDN);
  }
  mpfr_clear(sum);
  return out;
}

uint32_t random_word(uint64_t stream, uint64_t index) {
  return Philox(9, RandomStream::kTest).bits(stream, index)[0];
}

// Any finite floats: every exponent is as likely, zeros and subnormal ones among them.
std::vector<float> wild_vector(size_t n, uint64_t seed) {
  std::vector<float> x(n);
  for (size_t i = 0; i < n; ++i) {
    uint32_t bits = random_word(seed, i);
    if ((bits & 0x7f800000) == 0x7f800000) bits &= 0xbfffffff;
    x[i] = random_word(seed + 1000, i) % 16 == 0 ? 0.0f : std::bit_cast<float>(bits);
  }
  return x;
}

Terms wild_terms(size_t terms, size_t n, uint64_t seed) {
  Terms all;
  for (size_t i = 0; i < terms; ++i)
    all.push_back(wild_vector(n, seed + 2000 * i));
  return all;
}

// All cancel, each against one that comes later, but for one that is small.
Terms cancelling_terms(size_t pairs, size_t n, uint64_t seed) {
  Terms all = {random_vector(n, seed, 0x1p-120)};
  const Terms half = wild_terms(pairs, n, seed);
  all.insert(all.end(), half.begin(), half.end());
  for (const std::vector<float>& term : half) {
    all.push_back(term);
    for (float& x : all.back())
      x = -x;
  }
  return all;
}

// Like gradients: normal numbers whose scale differs from term to term and from element to element.
Terms gradient_terms(size_t terms, size_t n, uint64_t seed) {
  Terms all;
  for (size_t i = 0; i < terms; ++i) {
    all.push_back(random_vector(n, seed + i, 1e-4));
    for (size_t j = 0; j < n; ++j)
      all.back()[j] *= std::ldexp(1.0f, -static_cast<int>((i + j / 100) % 12));
  }
  return all;
}

TEST(ExactSum, WithAllDigitsIsTheOraclesRoundedOnce) {
  for (const size_t terms : {1, 2, 3, 9, 40}) {
    for (const Terms& all : {wild_terms(terms, 1000, terms), cancelling_terms(terms, 1000, terms),
                             gradient_terms(terms, 1000, terms)}) {
      const std::vector<float> wanted = oracle_sum(all);
      EXPECT_TRUE(same_bits(exact_sum(all, ExactSum::kAllDigits), wanted));
      if (terms > 3) {
        EXPECT_FALSE(same_bits(plain_sum(all), wanted)) << "seen by this test";
      }
    }
  }
}

TEST(ExactSum, RoundsTiesToEvenAndSeesWhatIsFarBelow) {
  const float half = 0x1p-24f;  // of the last place of 1
  const Terms all = {{1, 1, 1, 1 + 2 * half, 1, 1, -1, -1},
                     {half, half, half, half, -half / 2, -half / 2, -half, -half},
                     {0, 0x1p-149f, -0x1p-149f, 0, 0, -0x1p-149f, 0, -0x1p-149f}};
  const std::vector<float> wanted = {1, 1 + 2 * half, 1,  1 + 4 * half,
                                     1, 1 - half,     -1, -1 - 2 * half};
  EXPECT_TRUE(same_bits(exact_sum(all, ExactSum::kAllDigits), wanted));
  EXPECT_TRUE(same_bits(oracle_sum(all), wanted));
}

TEST(ExactSum, SubnormalNumbersAndTheEndsOfTheRange) {
  const float largest = std::numeric_limits<float>::max(), smallest = 0x1p-149f;
  const Terms all = {{largest, largest, -largest, largest, smallest, 0x1p-126f, -0.0f, 0x1p103f},
                     {largest, largest, -largest, 0x1p102f, smallest, -smallest, 0, largest},
                     {-largest, 0, -largest, 0, smallest, 0, -0.0f, 0x1p102f}};
  const std::vector<float> wanted = {
      largest, kInfinite, -kInfinite, largest, 3 * smallest, 0x1p-126f - smallest, 0, kInfinite};
  for (const int digits : {ExactSum::kTwoDigits, ExactSum::kAllDigits}) {
    for (size_t i = 0; i < wanted.size(); ++i) {  // alone, since two digits serve a whole block
      const Terms one = {{all[0][i]}, {all[1][i]}, {all[2][i]}};
      EXPECT_TRUE(same_bits(exact_sum(one, digits), {wanted[i]})) << i;
      EXPECT_TRUE(same_bits(oracle_sum(one), {wanted[i]})) << i;
    }
  }
  EXPECT_TRUE(same_bits(exact_sum(all, ExactSum::kAllDigits), wanted));
}

// The property that everything rests on.
TEST(ExactSum, DependsNeitherOnTheOrderNorOnHowTermsComeTogether) {
  for (Terms all : {wild_terms(23, 700, 1), gradient_terms(23, 700, 2)}) {
    for (const int digits : {ExactSum::kTwoDigits, ExactSum::kAllDigits}) {
      const std::vector<float> first = exact_sum(all, digits);
      const std::vector<float> plain = plain_sum(all);
      bool plain_differs = false;
      for (uint64_t shuffle = 0; shuffle < 12; ++shuffle) {
        for (size_t i = all.size(); i > 1; --i)
          std::swap(all[i - 1], all[random_word(shuffle, i) % i]);
        for (const size_t together : {1, 4, 23})
          EXPECT_TRUE(same_bits(exact_sum(all, digits, together), first));
        plain_differs |= !same_bits(plain_sum(all), plain);
      }
      EXPECT_TRUE(plain_differs) << "seen by this test";
    }
  }
}

TEST(ExactSum, SameBitsForAnyNumberOfThreads) {
  const Terms all = wild_terms(5, 20011, 3);  // chunks and blocks of which the last is short
  expect_same_bits_for_threads([&](const ops::Context& context) {
    std::vector<float> sums = exact_sum(all, ExactSum::kTwoDigits, context);
    const std::vector<float> exact = exact_sum(all, ExactSum::kAllDigits, context);
    sums.insert(sums.end(), exact.begin(), exact.end());
    return sums;
  });
}

// What is left out of a term is at most 2^-40 of the block's largest magnitude; then one rounding.
TEST(ExactSum, TwoDigitsAreOffByWhatTheyLeaveOut) {
  for (const Terms& all : {wild_terms(9, 640, 4), gradient_terms(9, 640, 5)}) {
    const std::vector<float> fixed = exact_sum(all, ExactSum::kTwoDigits);
    const std::vector<float> exact = oracle_sum(all);
    for (size_t i = 0; i < fixed.size(); ++i) {
      if (!std::isfinite(exact[i])) continue;
      const size_t block = i - i % ExactSum::kBlock;
      double largest = 0;
      for (const std::vector<float>& term : all)
        for (size_t j = block; j < block + ExactSum::kBlock; ++j)
          largest = std::max(largest, std::abs(static_cast<double>(term[j])));
      const auto sum = static_cast<double>(exact[i]);
      EXPECT_LE(std::abs(static_cast<double>(fixed[i]) - sum),
                9 * 0x1p-40 * largest + 2 * kUnit * std::abs(sum) + 0x1p-149)
          << i;
    }
  }
  EXPECT_FALSE(same_bits(exact_sum(wild_terms(9, 640, 4), ExactSum::kTwoDigits),
                         exact_sum(wild_terms(9, 640, 4), ExactSum::kAllDigits)))
      << "nothing was left out";
}

// Multiples of 2^-40 of the block's largest magnitude lose nothing, wherever in the range they lie;
// here they are multiples of 2^-23.
TEST(ExactSum, TwoDigitsAreExactWhereTheTermsAreNear) {
  for (int exponent = -110; exponent <= 100; ++exponent) {
    Terms all;
    for (uint64_t i = 0; i < 7; ++i) {
      all.push_back(random_vector(200, i, std::ldexp(1.0, exponent)));
      const float step = std::ldexp(1.0f, exponent - 20);
      for (float& x : all.back())
        x = std::round(x / step) * step;
    }
    ASSERT_TRUE(same_bits(exact_sum(all, ExactSum::kTwoDigits), oracle_sum(all))) << exponent;
  }
}

// Terms that grow push out low digits; a sum that saw the large ones first never had them.
TEST(ExactSum, GrowingTermsLeaveNothingBehind) {
  Terms rising;
  for (int exponent = -140; exponent < 120; exponent += 13)
    rising.push_back(
        random_vector(130, static_cast<uint64_t>(exponent + 200), std::ldexp(1.0, exponent)));
  Terms falling = rising;
  std::reverse(falling.begin(), falling.end());
  for (const int digits : {ExactSum::kTwoDigits, ExactSum::kAllDigits})
    EXPECT_TRUE(same_bits(exact_sum(rising, digits), exact_sum(falling, digits)));
}

TEST(ExactSum, ABlockThatSawWhatIsNoNumberIsNone) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {kInfinite, -kInfinite, kNan}) {
    for (const int digits : {ExactSum::kTwoDigits, ExactSum::kAllDigits}) {
      for (const size_t which : {0, 2, 4}) {
        Terms all = gradient_terms(5, 300, 6);
        all[which][70] = bad;
        const std::vector<float> sum = exact_sum(all, digits);
        all[which][70] = 0;
        const std::vector<float> wanted = oracle_sum(all);
        for (size_t i = 0; i < sum.size(); ++i) {
          if (i / 64 == 1) {
            EXPECT_EQ(std::isnan(sum[i]), std::isnan(bad)) << i;
            EXPECT_FALSE(std::isfinite(sum[i])) << i;
          } else {
            EXPECT_NEAR(sum[i] / wanted[i], 1, 1e-4) << i;
          }
        }
      }
    }
  }
}

TEST(ExactSum, ANanOutranksAnInfinityInAnyOrder) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Terms& all : {Terms{{1}, {kInfinite}, {nan}}, Terms{{nan}, {kInfinite}, {1}},
                           Terms{{kInfinite}, {nan}, {-kInfinite}}})
    EXPECT_TRUE(std::isnan(exact_sum(all, ExactSum::kTwoDigits)[0]));
  EXPECT_EQ(exact_sum({{-1}, {-kInfinite}, {kInfinite}}, ExactSum::kAllDigits)[0], kInfinite);
}

TEST(ExactSum, BeginsAgainWhenItIsCleared) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const int digits : {ExactSum::kTwoDigits, ExactSum::kAllDigits}) {
    ExactSum sum(300, digits);
    std::vector<float> out(300, 7.0f);
    sum.round_to(context, out.data());
    EXPECT_EQ(out, std::vector<float>(300)) << "no terms";
    Terms before = wild_terms(4, 300, 7), after = gradient_terms(4, 300, 8);
    before[3][290] = kInfinite;
    for (const std::vector<float>& term : before)
      sum.add(context, std::vector<const float*>{term.data()});
    sum.clear();
    for (const std::vector<float>& term : after)
      sum.add(context, std::vector<const float*>{term.data()});
    sum.round_to(context, out.data());
    EXPECT_TRUE(same_bits(out, exact_sum(after, digits)));
  }
}

// All alike, so that digits grow as fast as they can: the sum is a product.
TEST(ExactSum, HoldsManyTerms) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  const std::vector<float> term = {0x1.fffffep-3f, -0x1.fffffep-90f, 3.0f};
  const std::vector<const float*> parts(1 << 14, term.data());
  for (const int digits : {ExactSum::kTwoDigits, ExactSum::kAllDigits}) {
    ExactSum sum(3, digits);
    for (int i = 0; i < 1 << 4; ++i)
      sum.add(context, parts);
    std::vector<float> out(3);
    sum.round_to(context, out.data());
    EXPECT_EQ(out[0], 0x1.fffffep-3f * 0x1p18f);
    EXPECT_EQ(out[1], digits == ExactSum::kAllDigits ? -0x1.fffffep-90f * 0x1p18f : 0);
    EXPECT_EQ(out[2], 3 * 0x1p18f);
  }
}

TEST(ExactSum, TakesTheMemoryThatWasPlanned) {
  for (const int64_t count : {0, 1, 64, 65, 20011})
    for (const int digits : {ExactSum::kTwoDigits, ExactSum::kAllDigits})
      EXPECT_EQ(ExactSum(count, digits).bytes(), ExactSum::planned_bytes(count, digits));
  EXPECT_NEAR(static_cast<double>(ExactSum::planned_bytes(1 << 20, 2)), 16.0625 * (1 << 20), 1);
  EXPECT_NEAR(static_cast<double>(ExactSum::planned_bytes(1 << 20, 7)), 56.0625 * (1 << 20), 1);
}

}  // namespace
}  // namespace cllm::optim
