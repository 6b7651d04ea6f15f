#include "crystal/ngram_moduli.h"

#include <gtest/gtest.h>

#include "number/factor.h"

namespace cllm {
namespace {

ModelConfig with(int64_t V, int64_t rows) {
  ModelConfig config;
  config.vocabulary_size = V;
  config.ngram_order = 3;
  config.ngram_rows = rows;
  return config;
}

TEST(NgramModuli, AreTheLargestPrimesThatKeepAllTokens) {
  ModelConfig config = with(65, 16384);
  choose_ngram_moduli(config);
  EXPECT_EQ(config.ngram_modulus_a, 16381);
  EXPECT_EQ(config.ngram_modulus_b, 16369);
  EXPECT_NO_THROW(config.validate());

  config = with(16380, 16384);  // 16381 divides V + 1: only the last token would count
  choose_ngram_moduli(config);
  EXPECT_EQ(config.ngram_modulus_a, 16369);
  EXPECT_EQ(config.ngram_modulus_b, 16363);
}

TEST(NgramModuli, KeepWhatTheUserGaveAndNothingWithoutMemory) {
  ModelConfig config = with(65, 100);
  config.ngram_modulus_b = 97;
  choose_ngram_moduli(config);
  EXPECT_EQ(config.ngram_modulus_a, 89);
  EXPECT_EQ(config.ngram_modulus_b, 97);
  config = with(65, 100);
  config.ngram_modulus_a = 5 * 97;  // no table of 97 rows beside it
  choose_ngram_moduli(config);
  EXPECT_EQ(config.ngram_modulus_b, 89);
  EXPECT_NO_THROW(config.validate());
  config = with(65, 100);
  config.ngram_order = 0;
  choose_ngram_moduli(config);
  EXPECT_EQ(config.ngram_modulus_a, 0);
}

// The smallest table that a user can ask for, and the vocabulary with the most small factors.
TEST(NgramModuli, ExistForEveryVocabulary) {
  for (const int64_t product : {9699690, 61 * 59 * 53 * 47}) {
    ModelConfig config = with(product - 1, 64);
    choose_ngram_moduli(config);
    for (const int64_t modulus : {config.ngram_modulus_a, config.ngram_modulus_b}) {
      EXPECT_TRUE(number::is_prime(static_cast<uint64_t>(modulus)));
      EXPECT_NE(product % modulus, 0);
    }
    EXPECT_NE(config.ngram_modulus_a, config.ngram_modulus_b);
  }
}

}  // namespace
}  // namespace cllm
