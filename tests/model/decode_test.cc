// Decoding with the key/value cache against the forward pass over the whole text, and the forward
// pass against the scalar reference.
#include <gtest/gtest.h>

#include "model/session.h"
#include "model_test_files.h"
#include "reference/transformer.h"

namespace cllm {
namespace {

using namespace ::cllm::testing;

// Two orders of summation in fp32; measured 1e-6 of the largest logit.
constexpr double kTolerance = 1e-5;
constexpr int64_t kT = 23;

struct Cache {
  explicit Cache(const ModelConfig& config) {
    cache.row_stride = config.kv_head_count() * config.head_width();
    cache.capacity = config.context_length;
    cache.layer_stride = cache.capacity * cache.row_stride;
    memory = Arena(2 * config.layers * cache.layer_stride, "a test");
    cache.keys = memory.data();
    cache.values = memory.data() + config.layers * cache.layer_stride;
  }
  Arena memory;
  nn::KvCache cache;
};

std::vector<float> logits_of(const Transformer& model, const ops::Context& context,
                             const std::vector<int32_t>& tokens, const float* weights) {
  Session session(model, context, {.B = 1, .T = kT, .S = kT});
  std::vector<float> logits(tokens.size() * static_cast<size_t>(model.config().vocabulary_size));
  session.logits(tokens, weights, logits.data());
  return logits;
}

// The logits after each chunk, expected to be those of the full forward at its last token.
void expect_chunks_agree(const ModelConfig& config, const ops::Context& context,
                         const std::vector<int64_t>& chunks) {
  const Transformer model(config, testing::test_codes(config));
  const Arena weights = random_weights(model);
  const std::vector<int32_t> tokens = random_tokens(kT, 257, 4);
  const std::vector<float> full = logits_of(model, context, tokens, weights.data());
  Session session(model, context, {.B = 1, .T = 16, .S = config.context_length});
  Cache cache(config);
  const auto V = static_cast<size_t>(config.vocabulary_size);
  size_t at = 0;
  for (const int64_t chunk : chunks) {
    const auto got = session.extend({tokens.data() + at, static_cast<size_t>(chunk)},
                                    DecodeWeights(model, weights.data()), {&cache.cache, 1});
    at += static_cast<size_t>(chunk);
    ASSERT_EQ(cache.cache.length, static_cast<int64_t>(at));
    const auto row = full.begin() + static_cast<ptrdiff_t>((at - 1) * V);
    const std::vector<float> expected(row, row + static_cast<ptrdiff_t>(V));
    double size = 0;
    for (const float x : expected)
      size = std::max(size, std::abs(static_cast<double>(x)));
    EXPECT_TRUE(all_close(std::vector<float>(got.begin(), got.end()), widen(expected),
                          kTolerance * size, 0))
        << "after " << at << " tokens";
  }
}

TEST(Decode, ChunksOfAnySizeGiveTheLogitsOfTheWhole) {
  for (const ModelConfig& config : small_models()) {
    for_each_table([&](const kernels::Table& table) {
      ThreadPool pool(2);
      const ops::Context context{pool, table};
      expect_chunks_agree(config, context, std::vector<int64_t>(kT, 1));
      expect_chunks_agree(config, context, {16, 7});
      expect_chunks_agree(config, context, {1, 2, 3, 4, 5, 1, 7});
    });
  }
}

// For every type of weights, with a softcap too.
TEST(Decode, ACandidatesLogitHasTheBitsThatItHasAmongAll) {
  const std::vector<int32_t> tokens = random_tokens(5, 257, 4), candidates = {0, 3, 4, 19, 20, 256};
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    if (!model.head().has_rows()) continue;
    for_each_context([&](const ops::Context& context) {
      for (const auto& name : kWeightNames) {
        const DecodeWeights weights(model, context, name.value, random_weights(model));
        Session session(model, context,
                        {.B = 1, .T = 16, .S = config.context_length, .weights = name.value});
        Cache cache(config);
        const auto hidden = session.extend_hidden(tokens, weights, {&cache.cache, 1});
        std::vector<float> few(candidates.size()), expected;
        session.candidate_logits(hidden, weights, candidates, few);
        const std::span<const float> all = session.head_logits(hidden, weights);
        for (const int32_t token : candidates)
          expected.push_back(all[static_cast<size_t>(token)]);
        EXPECT_TRUE(same_bits(few, expected)) << name.name;
      }
    });
  }
}

// Another token anywhere before changes the logits: the comparison above is not of constants.
TEST(Decode, EveryEarlierTokenCounts) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    const std::vector<int32_t> tokens = random_tokens(kT, 256, 4);
    const std::vector<float> before = logits_of(model, context, tokens, weights.data());
    for (const size_t place : {size_t{0}, size_t{11}}) {
      std::vector<int32_t> other = tokens;
      ++other[place];
      const std::vector<float> after = logits_of(model, context, other, weights.data());
      const size_t V = 257;
      EXPECT_TRUE(same_bits(std::vector<float>(after.begin(), after.begin() + place * V),
                            std::vector<float>(before.begin(), before.begin() + place * V)))
          << "the past saw the future";
      EXPECT_NE(std::vector<float>(after.end() - V, after.end()),
                std::vector<float>(before.end() - V, before.end()));
    }
  }
}

TEST(Decode, LogitsAreTheReferences) {
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    const std::vector<int32_t> tokens = random_tokens(kT, 257, 4);
    std::vector<double> truth = reference::decoder_logits(model, widen(values_of(weights)),
                                                          reference::Call{.B = 1, .T = kT}, tokens);
    double size = 0;
    for (double& x : truth) {
      if (config.logit_softcap > 0) x = config.logit_softcap * std::tanh(x / config.logit_softcap);
      size = std::max(size, std::abs(x));
    }
    for_each_table([&](const kernels::Table& table) {
      ThreadPool pool(2);
      EXPECT_TRUE(all_close(logits_of(model, {pool, table}, tokens, weights.data()), truth,
                            kTolerance * size, 0));
    });
  }
}

// evaluate() is the cross-entropy of logits(), also on a session planned for training.
TEST(Decode, EvaluateIsTheLossOfTheLogits) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    const std::vector<int32_t> tokens = random_tokens(kT + 1, 257, 4);
    const std::vector<int32_t> targets(tokens.begin() + 1, tokens.end());
    const auto losses = reference::cross_entropy(
        257, 0.0, targets,
        widen(logits_of(model, context, {tokens.begin(), tokens.end() - 1}, weights.data())));
    double sum = 0;
    for (const double loss : losses)
      sum += loss;
    for (const bool training : {false, true}) {
      Session session(model, context, {.B = 2, .T = kT, .S = kT, .training = training});
      EXPECT_NEAR(session.evaluate({tokens.data(), targets.data(), 1, kT}, weights.data()) / sum, 1,
                  1e-5);
    }
  }
}

}  // namespace
}  // namespace cllm
