#include "crystal/plain_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "model/engine.h"
#include "model/model_test_files.h"
#include "model/session.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

ModelConfig small_lattice() {
  ModelConfig config = small_gpt2();
  config.embedding = nn::EmbeddingKind::kLattice;
  return config;
}

// Every kind of embedding, with the head tied to it or not.
std::vector<ModelConfig> structured_models() {
  std::vector<ModelConfig> all;
  for (ModelConfig config : {small_factorised(), small_composite(), small_lattice()})
    for (const bool tied : {true, false}) {
      config.tied_head = tied;
      all.push_back(config);
      config.norm = nn::NormKind::kRmsNorm;
      config.position = PositionKind::kRotary;
      config.logit_softcap = 12.5;
      all.push_back(config);
      config = all[all.size() - 2];
    }
  return all;
}

std::vector<float> logits_of(const Transformer& model, const float* weights,
                             std::span<const int32_t> tokens, const Engine& engine) {
  const auto T = std::ssize(tokens);
  Session session(model, engine.context(), {.B = 1, .T = T, .S = T, .training = false});
  std::vector<float> logits(tokens.size() * static_cast<size_t>(model.config().vocabulary_size));
  session.logits(tokens, weights, logits.data());
  return logits;
}

// The vector of token v, in doubles, and the sum of the sizes of its products.
std::pair<double, double> entry_of(const Transformer& model, const Arena& weights, int64_t v,
                                   int64_t c) {
  const float* const table = weights.data() + model.token_table().offset;
  double sum = 0, size = 0;
  const auto add = [&](double term) {
    sum += term;
    size += std::abs(term);
  };
  if (const nn::Linear* projection = model.embedding().projection()) {
    const float* const B =
        weights.data() + model.parameters().at(projection->weight_parameter()).offset;
    const int64_t r = model.token_table().shape[1];
    for (int64_t j = 0; j < r; ++j)
      add(double{table[v * r + j]} * double{B[c * r + j]});
  } else {
    for (const int32_t piece : model.codes()->of(v))
      add(double{table[piece * model.config().width + c]} /
          std::sqrt(static_cast<double>(model.codes()->of(v).size())));
  }
  return {sum, size};
}

// A vector is at most 20 products or 4 rows, and a scale that is rounded itself.
TEST(PlainModel, TheTableHoldsTheVectors) {
  const Engine engine(2);
  for (const ModelConfig& config : {small_factorised(), small_composite()}) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    const PlainModel plain = plain_model(model, weights.data(), engine.context());
    const float* const table = plain.weights.data() + plain.model->token_table().offset;
    for (int64_t v = 0; v < config.vocabulary_size; ++v)
      for (int64_t c = 0; c < config.width; ++c) {
        const auto [sum, size] = entry_of(model, weights, v, c);
        ASSERT_LE(std::abs(table[v * config.width + c] - sum), 24 * testing::kUnit * size);
      }
  }
}

TEST(PlainModel, TheLogitsAreWithinTheBoundsOrTheSameBits) {
  const Engine engine(2);
  for (const ModelConfig& config : structured_models()) {
    SCOPED_TRACE(settings_of(config));
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    const PlainModel plain = plain_model(model, weights.data(), engine.context());
    EXPECT_EQ(plain.model->config().tied_head, config.tied_head);
    const std::vector<int32_t> tokens = testing::random_tokens(24, 257, 5);
    const std::vector<float> before = logits_of(model, weights.data(), tokens, engine);
    const std::vector<float> after = logits_of(*plain.model, plain.weights.data(), tokens, engine);
    const std::vector<double> bounds = plain_logit_bounds(model, weights.data());
    EXPECT_EQ(bounds.empty(), !config.tied_head || config.embedding == nn::EmbeddingKind::kLattice);
    if (bounds.empty()) {
      EXPECT_TRUE(testing::same_bits(after, before));
      continue;
    }
    double size = 0, largest = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      const double difference = std::abs(double{before[i]} - double{after[i]});
      EXPECT_TRUE(difference <= bounds[i % 257]) << i << ": " << difference;
      size = std::max(size, std::abs(double{before[i]}));
      largest = std::max(largest, bounds[i % 257]);
    }
    // A wrong vector is not hidden by the bound.
    EXPECT_LT(largest, 1e-3 * size);
  }
}

// Windows of few tokens are multiplied in another order than long ones, and so are few tokens.
TEST(PlainModel, ShortContextsAndFewTokensHaveTheirBitsToo) {
  const Engine engine(2);
  for (const int64_t T : {1, 5, 16, 17, 40})
    for (const int64_t V : {9, 17, 257}) {
      ModelConfig config = small_factorised();
      config.tied_head = false;
      config.context_length = T;
      config.vocabulary_size = V;
      const Transformer model(config);
      const Arena weights = random_weights(model);
      const PlainModel plain = plain_model(model, weights.data(), engine.context());
      const std::vector<int32_t> tokens =
          testing::random_tokens(static_cast<size_t>(T), static_cast<int32_t>(V), 6);
      EXPECT_TRUE(testing::same_bits(logits_of(*plain.model, plain.weights.data(), tokens, engine),
                                     logits_of(model, weights.data(), tokens, engine)))
          << T << " " << V;
    }
}

TEST(PlainModel, WhatIsNoWeightIsRefused) {
  ModelConfig config = small_own();
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { plain_config(config); }),
              HasSubstr("model.ngram_order=0"));
  config.ngram_order = 0;
  config.prior_order = 2;
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { plain_config(config); }),
              HasSubstr("model.prior_order=0"));
}

}  // namespace
}  // namespace cllm
