// Embeddings that are points of E8: what the model computes is what a dense one computes with the
// rounded table, in every bit; the gradient goes to the table that is not rounded.
#include <gtest/gtest.h>

#include "decoder_problem.h"
#include "formats/safetensors.h"
#include "model/generator.h"
#include "model/model_folder.h"
#include "model_test_files.h"
#include "ops/lattice_table.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

using testing::for_each_context;
using testing::Problem;
using testing::same_bits;

constexpr float kStep = 0x1p-4F;

ModelConfig dense(ModelConfig config) {
  config.embedding = nn::EmbeddingKind::kDense;
  config.embedding_width = config.embedding_primes = config.embedding_dense_rows = 0;
  return config;
}

ModelConfig lattice(ModelConfig config) {
  config = dense(config);
  config.embedding = nn::EmbeddingKind::kLattice;
  config.embedding_step = kStep;
  return config;
}

// Tied and not, with every kind of layer.
std::vector<ModelConfig> tiny_models() {
  std::vector<ModelConfig> configs;
  for (int bits = 0; bits < testing::kCombinations; bits += 501)
    configs.push_back(dense(testing::combination(bits)));
  return configs;
}

// The weights with the token table rounded.
template <class Weights>
Weights rounded(const Transformer& model, Weights weights) {
  ThreadPool pool(1);
  const Parameter& table = model.token_table();
  float* values = weights.data() + table.offset;
  ops::lattice_round({pool, kernels::chosen_table()}, table.shape[0], table.shape[1], kStep, values,
                     values);
  return weights;
}

TEST(LatticeEmbedding, GradientsAreThoseOfTheRoundedTable) {
  for (const ModelConfig& config : tiny_models()) {
    SCOPED_TRACE(testing::describe(config));
    const Problem problem(lattice(config));
    Problem plain(dense(config));
    ASSERT_EQ(plain.weights.size(), problem.weights.size());
    ASSERT_TRUE(same_bits(plain.weights, problem.weights)) << "the same numbers at the start";
    plain.weights = rounded(plain.model, plain.weights);
    ASSERT_FALSE(same_bits(plain.weights, problem.weights));
    const std::vector<float> before = problem.weights;
    for_each_context([&](const ops::Context& context) {
      for (const ops::Storage storage :
           {ops::Storage::kFp32, ops::Storage::kBf16, ops::Storage::kFp16}) {
        const testing::Result got = testing::run(problem, context, storage);
        const testing::Result expected = testing::run(plain, context, storage);
        EXPECT_EQ(got.loss, expected.loss);
        EXPECT_TRUE(same_bits(got.gradients, expected.gradients));
      }
    });
    EXPECT_TRUE(same_bits(problem.weights, before));
  }
}

TEST(LatticeEmbedding, EvaluatesAsTheRoundedTable) {
  for (const ModelConfig& config : tiny_models()) {
    const Problem problem(lattice(config));
    Problem plain(dense(config));
    plain.weights = rounded(plain.model, plain.weights);
    for_each_context([&](const ops::Context& context) {
      const auto loss = [&](const Problem& of) {
        Session session(of.model, context, {.B = testing::kB, .T = testing::kT, .S = testing::kT});
        return session.evaluate({of.tokens.data(), of.targets.data(), testing::kB, testing::kT},
                                of.weights.data());
      };
      EXPECT_EQ(loss(problem), loss(plain));
    });
  }
}

std::vector<ModelConfig> tied_models() {
  std::vector<ModelConfig> configs = small_models();
  for (ModelConfig& config : configs) {
    config = lattice(config);
    config.tied_head = true;
  }
  return configs;
}

// One hidden state, made once, gives one set of logits wherever it is asked.
TEST(LatticeEmbedding, LogitsOfAHiddenStateHaveTheSameBitsEverywhere) {
  const std::vector<int32_t> few = {3, 200, 256};
  for (const ModelConfig& config : tied_models()) {
    if (config.logit_softcap > 0) continue;  // its tanh is each table's own
    const Transformer model(config);
    const std::vector<float> hidden =
        testing::random_vector(3 * static_cast<size_t>(config.width), 8);
    std::vector<float> first;
    for_each_context([&](const ops::Context& context) {
      for (const auto& name : kWeightNames) {
        const DecodeWeights weights(model, context, name.value, random_weights(model));
        Session session(model, context,
                        {.B = 1, .T = 4, .S = config.context_length, .weights = name.value});
        const std::span<const float> logits = session.head_logits(hidden, weights);
        const std::vector<float> all(logits.begin(), logits.end());
        if (first.empty()) first = all;
        EXPECT_TRUE(same_bits(all, first)) << name.name;
        std::vector<float> candidates(few.size());
        session.candidate_logits(std::span(hidden).first(static_cast<size_t>(config.width)),
                                 weights, few, candidates);
        for (size_t i = 0; i < few.size(); ++i)
          EXPECT_EQ(candidates[i], first[static_cast<size_t>(few[i])]);
      }
    });
  }
}

// Rounding the hidden state to integers moves logits by far less than they differ.
TEST(LatticeEmbedding, GeneratesWithTheLogitsOfTheForwardPass) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  const std::vector<int32_t> tokens = testing::random_tokens(9, 257, 4);
  std::vector<ModelConfig> configs = tied_models();
  configs.push_back(lattice(small_llama()));  // a head of its own
  for (const ModelConfig& config : configs) {
    const Transformer model(config);
    const Arena weights = random_weights(model);
    const auto V = static_cast<size_t>(config.vocabulary_size);
    std::vector<float> full(tokens.size() * V);
    Session whole(model, context, {.B = 1, .T = 9, .S = 9});
    whole.logits(tokens, weights.data(), full.data());
    const std::vector<float> expected(full.end() - static_cast<ptrdiff_t>(V), full.end());
    Session session(model, context, {.B = 1, .T = 9, .S = config.context_length});
    DecodeWeights stored(model, weights.data());
    stored.refresh(context);
    const int64_t stride = config.kv_head_count() * config.head_width();
    const int64_t layer = config.context_length * stride;
    std::vector<float> memory(static_cast<size_t>(2 * config.layers * layer));
    nn::KvCache cache;
    cache.keys = memory.data();
    cache.values = memory.data() + config.layers * layer;
    cache.row_stride = stride;
    cache.layer_stride = layer;
    cache.capacity = config.context_length;
    const auto got = session.extend(tokens, stored, {&cache, 1});
    double size = 0;
    for (const float x : expected)
      size = std::max(size, std::abs(static_cast<double>(x)));
    // At least 2^13 steps to the largest number of a row of 24, as its integers are of 62 at most.
    EXPECT_TRUE(testing::all_close(std::vector<float>(got.begin(), got.end()),
                                   testing::widen(expected), 1e-3 * size, 0));
  }
}

TEST(LatticeEmbedding, GeneratorsFollowWeightsThatChange) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  ModelConfig config = lattice(small_gpt2());
  const Transformer model(config);
  Arena weights = random_weights(model);
  Generator generator(model, context, weights.data());
  const auto text = [&](Generator& from) {
    GenerationOptions options;
    options.max_tokens = 30;
    options.sampling.temperature = 0;
    return from.generate(Tokenizer::byte(), "One", options, [](std::string_view) { return true; })
        .text;
  };
  const std::string before = text(generator);
  const Arena other = random_weights(model, 5);
  std::copy_n(other.data(), other.floats(), weights.data());
  const std::string after = text(generator);
  EXPECT_NE(after, before);
  Generator fresh(model, context, weights.data());
  EXPECT_EQ(text(fresh), after);
}

class LatticeFolder : public TemporaryFolder {};

TEST_F(LatticeFolder, HoldsTheIntegersBesideTheTable) {
  const Transformer model(lattice(small_gpt2()));
  const Arena weights = random_weights(model);
  save_model(folder_, model, weights.data(), Tokenizer::byte());
  const LoadedModel loaded = load_model(folder_);
  EXPECT_EQ(settings_of(loaded.model->config()), settings_of(model.config()));
  EXPECT_TRUE(same_bits(values_of(loaded.weights), values_of(weights)));

  const SafetensorsFile file(folder_ / "model.safetensors");
  const StoredTensor* integers = file.find("embedding.token.lattice");
  ASSERT_NE(integers, nullptr);
  ASSERT_EQ(integers->dtype, DType::kI8);
  const Arena points = rounded(model, random_weights(model));
  const auto* doubled = reinterpret_cast<const int8_t*>(integers->data);
  for (int64_t i = 0; i < model.token_table().count; ++i)
    ASSERT_EQ(points.data()[model.token_table().offset + i], kStep / 2 * doubled[i]);
}

TEST_F(LatticeFolder, IntegersOfAnotherTableAreRefused) {
  const Transformer model(lattice(small_gpt2()));
  save_model(folder_, model, random_weights(model).data(), Tokenizer::byte());
  ASSERT_NO_THROW(load_model(folder_));
  std::string bytes = read_file(folder_ / "model.safetensors");
  ++bytes.back();  // I8 comes last
  write_file(folder_ / "model.safetensors", bytes);
  EXPECT_NE(error_of(ErrorKind::kData, [&] { load_model(folder_); }).find("integers"),
            std::string::npos);
}

TEST(LatticeEmbedding, RefusesWhatCannotBe) {
  const auto refusal = [](auto change) {
    ModelConfig config = lattice(small_gpt2());
    change(config);
    return error_of(ErrorKind::kUsage, [&] { config.validate(); });
  };
  EXPECT_EQ(refusal([](ModelConfig&) {}), "");
  EXPECT_EQ(refusal([](ModelConfig& config) { config.embedding_step = 0; }), "") << "the default";
  EXPECT_NE(refusal([](ModelConfig& config) { config.embedding_step = 0.3; }).find("power of two"),
            std::string::npos);
  EXPECT_NE(refusal([](ModelConfig& config) {
              config.width = config.heads * 12;
              config.heads = 1;
            }).find("multiple of 8"),
            std::string::npos);
  EXPECT_NE(refusal([](ModelConfig& config) {
              config.embedding = nn::EmbeddingKind::kDense;
            }).find("lattice"),
            std::string::npos);
}

}  // namespace
}  // namespace cllm
