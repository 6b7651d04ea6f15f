// Small models of every family with random weights, for the tests of the model layer.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "model/transformer.h"
#include "tensor/arena.h"
#include "testing_codes.h"
#include "testing_tables.h"

namespace cllm {

inline ModelConfig small_gpt2() {
  ModelConfig config;
  config.vocabulary_size = 257;  // of Tokenizer::byte()
  config.context_length = 24;
  config.layers = 2;
  config.heads = 3;
  config.width = 24;
  return config;
}

inline ModelConfig small_llama() {
  ModelConfig config = small_gpt2();
  config.norm = nn::NormKind::kRmsNorm;
  config.position = PositionKind::kRotary;
  config.mlp = nn::MlpKind::kSwiglu;
  config.bias = false;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_size = 10;
  config.tied_head = false;
  return config;
}

// What neither family has.
inline ModelConfig small_own() {
  ModelConfig config = small_llama();
  config.mlp = nn::MlpKind::kRelu2;
  config.bias = true;
  config.qk_norm = true;
  config.logit_softcap = 12.5;
  config.zero_init_projections = true;
  config.norm_epsilon = 3e-6;
  config.init_deviation = 0.03;
  config.rotary_base = 5000;
  config.dropout = 0.125;
  config.ngram_order = 4;
  config.ngram_modulus_a = 113;
  config.ngram_modulus_b = 109;
  config.ngram_dropout = 0.25;
  return config;
}

inline ModelConfig without_ngrams(ModelConfig config) {
  config.ngram_order = config.ngram_modulus_a = config.ngram_modulus_b = 0;
  config.ngram_dropout = 0;
  return config;
}

inline ModelConfig small_factorised() {
  ModelConfig config = small_gpt2();
  config.embedding = nn::EmbeddingKind::kFactorised;
  config.embedding_width = 20;
  return config;
}

// Its codes are testing::test_codes().
inline ModelConfig small_composite() {
  ModelConfig config = small_gpt2();
  config.embedding = nn::EmbeddingKind::kComposite;
  config.embedding_primes = 60;
  config.embedding_dense_rows = 10;
  return config;
}

inline std::vector<ModelConfig> small_models() {
  ModelConfig tied = small_llama();
  tied.tied_head = true;
  ModelConfig own_head = small_factorised();
  own_head.tied_head = false;
  return {small_gpt2(), small_llama(),    tied, small_own(), small_factorised(),
          own_head,     small_composite()};
}

// Every setting by name and value.
inline std::string settings_of(ModelConfig config) {
  FieldList fields;
  config.list(fields);
  std::string text;
  for (const Field& field : fields.fields())
    text += field.name() + " = " + toml_literal(field.value()) + "\n";
  return text;
}

// Random numbers everywhere, large enough that every part of the model matters.
inline Arena random_weights(const Transformer& model, uint64_t seed = 1) {
  Arena weights(model.parameters().arena_floats(), "a test");
  ThreadPool pool(1);
  model.initialise(pool, seed, weights.data());
  for (const Parameter& parameter : model.parameters().all()) {
    const auto noise = testing::random_vector(static_cast<size_t>(parameter.count), ++seed, 0.2);
    for (size_t i = 0; i < noise.size(); ++i)
      weights.data()[parameter.offset + static_cast<int64_t>(i)] += noise[i];
  }
  return weights;
}

inline std::vector<float> values_of(const Arena& arena) {
  return {arena.data(), arena.data() + arena.floats()};
}

// The message of the Error of this kind that `action` throws; "" if it throws none.
template <class Action>
std::string error_of(ErrorKind kind, Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    return error.what();
  }
  return "";
}

}  // namespace cllm
