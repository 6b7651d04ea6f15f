#include "crystal/embedding_codes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "crystal/prime_codes.h"
#include "small_vocabulary.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

const Tokenizer& vocabulary() {
  static const Tokenizer tokenizer = testing::small_vocabulary();
  return tokenizer;
}

ModelConfig composite() {
  ModelConfig config;
  config.embedding = nn::EmbeddingKind::kComposite;
  config.vocabulary_size = vocabulary().vocabulary_size();
  return config;
}

std::string refusal(ModelConfig config, const Tokenizer& tokenizer = vocabulary()) {
  try {
    choose_embedding_codes(config, tokenizer, {});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(EmbeddingCodes, AreTheFactorsOfTheTokens) {
  ModelConfig config = composite();
  const auto codes = choose_embedding_codes(config, vocabulary(), {});
  const PrimeCodes primes(vocabulary());
  EXPECT_EQ(config.embedding_primes, primes.primes());
  EXPECT_EQ(codes->rows(), primes.primes());
  for (Token token = 0; token < config.vocabulary_size; ++token)
    EXPECT_TRUE(std::ranges::equal(codes->of(token), primes.factors(token)));
  // What was chosen is chosen again.
  ModelConfig again = config;
  EXPECT_EQ(*choose_embedding_codes(again, vocabulary(), {}), *codes);
  EXPECT_EQ(again.embedding_primes, config.embedding_primes);
}

TEST(EmbeddingCodes, MorePrimesGoToMerges) {
  ModelConfig config = composite();
  config.embedding_primes = PrimeCodes(vocabulary()).primes() + 50;
  const int64_t wanted = config.embedding_primes;
  const auto codes = choose_embedding_codes(config, vocabulary(), {});
  EXPECT_EQ(config.embedding_primes, wanted);
  EXPECT_EQ(codes->rows(), wanted);
}

TEST(EmbeddingCodes, TheMostFrequentTokensHaveRowsOfTheirOwn) {
  ModelConfig config = composite();
  config.embedding_dense_rows = 3;
  std::vector<int64_t> counts(static_cast<size_t>(config.vocabulary_size), 5);
  counts[300] = 100;
  counts[7] = 60;
  counts[400] = 60;
  const auto codes = choose_embedding_codes(config, vocabulary(), counts);
  const auto first = static_cast<int32_t>(config.embedding_primes);
  EXPECT_EQ(codes->rows(), first + 3);
  EXPECT_THAT(codes->of(300), ::testing::ElementsAre(first));
  EXPECT_THAT(codes->of(7), ::testing::ElementsAre(first + 1));
  EXPECT_THAT(codes->of(400), ::testing::ElementsAre(first + 2));
  const PrimeCodes primes(vocabulary());
  for (const Token token : {0, 8, 299, 500})
    EXPECT_TRUE(std::ranges::equal(codes->of(token), primes.factors(token)));
}

TEST(EmbeddingCodes, TokensBeyondTheTokenizerShareARow) {
  ModelConfig config = composite();
  config.vocabulary_size += 10;
  const auto codes = choose_embedding_codes(config, vocabulary(), {});
  const auto last = static_cast<int32_t>(config.embedding_primes - 1);
  for (Token token = vocabulary().vocabulary_size(); token < config.vocabulary_size; ++token)
    EXPECT_THAT(codes->of(token), ::testing::ElementsAre(last));
  ModelConfig again = config;
  EXPECT_EQ(*choose_embedding_codes(again, vocabulary(), {}), *codes);
}

// The control: as many pieces, no meaning, and still no two tokens alike.
TEST(EmbeddingCodes, RandomOnesAreAsLongAndAllDifferent) {
  ModelConfig config = composite(), random = composite();
  random.embedding_codes = EmbeddingCodes::kRandom;
  const auto primes = choose_embedding_codes(config, vocabulary(), {});
  const auto drawn = choose_embedding_codes(random, vocabulary(), {});
  EXPECT_EQ(drawn->rows(), primes->rows());
  std::set<std::vector<int32_t>> all;
  int64_t longer = 0;
  for (Token token = 0; token < config.vocabulary_size; ++token) {
    const auto own = drawn->of(token);
    EXPECT_TRUE(all.insert({own.begin(), own.end()}).second) << token;
    EXPECT_GE(own.size(), primes->of(token).size());
    longer += std::ssize(own) - std::ssize(primes->of(token));
  }
  EXPECT_LT(longer, 50) << "only where no code of one piece is left";
  EXPECT_FALSE(*drawn == *primes);
}

TEST(EmbeddingCodes, WhatSavesNothingIsRefused) {
  ModelConfig bytes = composite();
  bytes.vocabulary_size = 257;
  EXPECT_THAT(refusal(bytes, Tokenizer::byte()),
              HasSubstr("257 primes and 0 dense rows save nothing for 257 tokens"));
  ModelConfig dense = composite();
  dense.embedding_dense_rows = 700;
  EXPECT_THAT(refusal(dense), HasSubstr("save nothing"));
  ModelConfig few = composite();
  few.embedding_primes = 100;
  EXPECT_THAT(refusal(few), HasSubstr("100 are too few"));
}

TEST(EmbeddingCodes, OtherEmbeddingsHaveNone) {
  ModelConfig config = composite();
  config.embedding = nn::EmbeddingKind::kDense;
  EXPECT_EQ(choose_embedding_codes(config, vocabulary(), {}), nullptr);
  EXPECT_EQ(stand_in_codes(config), nullptr);
}

TEST(EmbeddingCodes, StandInsHaveTheSizeOfTheSettings) {
  ModelConfig config = composite();
  EXPECT_THROW(stand_in_codes(config), Error) << "how many primes?";
  config.embedding_primes = 64;
  config.embedding_dense_rows = 16;
  const auto codes = stand_in_codes(config);
  EXPECT_EQ(codes->rows(), 80);
  EXPECT_EQ(codes->tokens(), config.vocabulary_size);
}

}  // namespace
}  // namespace cllm
