#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model_test_files.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

int64_t parameters_of(const std::string& preset, int64_t vocabulary) {
  ModelConfig config = model_preset(preset);
  config.vocabulary_size = vocabulary;
  return Transformer(config).parameters().count();
}

TEST(ModelPreset, HasTheSizesItIsKnownBy) {
  EXPECT_EQ(parameters_of("gpt2", 50257), 124439808) << "GPT-2 small";
  EXPECT_EQ(parameters_of("llama-15m", 32000), 15191712) << "stories15M";
  // nanoGPT prints 10.65M for its Shakespeare model without positions and with no biases: 12 C^2
  // per layer, the norms, the table.
  const int64_t C = 384;
  EXPECT_EQ(parameters_of("baby", 65), 6 * (12 * C * C + 13 * C) + 2 * C + 65 * C + 256 * C);
  const ModelConfig nano = model_preset("nano");
  EXPECT_EQ(nano.layers, 4);
  EXPECT_EQ(nano.heads, 4);
  EXPECT_EQ(nano.width, 128);
  EXPECT_EQ(nano.context_length, 64);
}

TEST(ModelPreset, EveryNameMakesAModel) {
  EXPECT_EQ(model_preset_names(),
            (std::vector<std::string>{"demo", "nano", "baby", "gpt2", "llama-15m"}));
  for (const std::string& name : model_preset_names()) {
    ModelConfig config = model_preset(name);
    config.vocabulary_size = 100;
    EXPECT_NO_THROW(config.validate()) << name;
  }
}

TEST(ModelPreset, AnUnknownNameIsAnErrorThatListsThem) {
  const std::string message = error_of(ErrorKind::kUsage, [] { model_preset("nona"); });
  EXPECT_THAT(message, HasSubstr("'nona'"));
  EXPECT_THAT(message, HasSubstr("demo, nano, baby, gpt2, llama-15m"));
}

std::string refusal(const ModelConfig& config) {
  const std::string message = error_of(ErrorKind::kUsage, [&] { config.validate(); });
  EXPECT_EQ(
      error_of(ErrorKind::kUsage, [&] { Transformer model(config, testing::test_codes(config)); }),
      message);
  return message;
}

TEST(ModelConfig, NamesWhatDoesNotFit) {
  ModelConfig config = small_gpt2();
  EXPECT_EQ(refusal(config), "");
  config.width = 25;
  EXPECT_THAT(refusal(config), HasSubstr("model.width: 25 is not divisible by 3 heads"));
  config.head_size = 8;
  EXPECT_EQ(refusal(config), "") << "the head size stands for itself";
  config = small_gpt2();
  config.kv_heads = 2;
  EXPECT_THAT(refusal(config),
              HasSubstr("model.kv_heads: 3 query heads cannot share 2 key/value heads"));
  config = small_llama();
  config.head_size = 7;
  EXPECT_THAT(refusal(config), HasSubstr("model.head_size: rotary positions turn pairs"));
  config = small_gpt2();
  config.vocabulary_size = 0;
  EXPECT_THAT(refusal(config), HasSubstr("model.vocabulary_size: the vocabulary is empty"));
}

TEST(ModelConfig, RefusesTablesOfNgramsThatWouldForgetTokens) {
  ModelConfig config = small_own();
  EXPECT_EQ(refusal(config), "");
  config.ngram_modulus_b = 0;
  EXPECT_THAT(refusal(config), HasSubstr("model.ngram_modulus_b: 0 is not coprime"));
  config.ngram_modulus_b = 129;  // divides V + 1 = 258
  EXPECT_THAT(refusal(config), HasSubstr("model.ngram_modulus_b: 129 is not coprime with the "
                                         "vocabulary + 1 = 258"));
  config.ngram_modulus_b = 226;
  EXPECT_THAT(refusal(config), HasSubstr("226 is not coprime"));
  config.ngram_modulus_b = 5 * 113;
  EXPECT_THAT(refusal(config), HasSubstr("113 and 565 have a common factor"));
  config.ngram_modulus_b = 125;
  EXPECT_EQ(refusal(config), "") << "coprime is enough";
  config.ngram_order = 1;
  EXPECT_THAT(refusal(config), HasSubstr("model.ngram_order: an n-gram of one token"));
}

TEST(ModelConfig, RefusesTablesOfNgramsWithoutAMemory) {
  EXPECT_EQ(refusal(without_ngrams(small_own())), "");
  const auto refused = [](auto change) {
    ModelConfig config = small_gpt2();
    change(config);
    const std::string message = refusal(config);
    EXPECT_THAT(message, HasSubstr("is of a memory of n-grams; leave it at"));
    EXPECT_THAT(message, HasSubstr("or set model.ngram_order"));
    config.ngram_order = 2;
    if (config.ngram_modulus_a == 0) config.ngram_modulus_a = 113;
    if (config.ngram_modulus_b == 0) config.ngram_modulus_b = 109;
    EXPECT_EQ(refusal(config), "");
    return message.substr(0, message.find(':'));
  };
  EXPECT_EQ(refused([](ModelConfig& c) { c.ngram_rows = 4096; }), "model.ngram_rows");
  EXPECT_EQ(refused([](ModelConfig& c) { c.ngram_modulus_a = 61; }), "model.ngram_modulus_a");
  EXPECT_EQ(refused([](ModelConfig& c) { c.ngram_modulus_b = 59; }), "model.ngram_modulus_b");
  EXPECT_EQ(refused([](ModelConfig& c) { c.ngram_dropout = 0.3; }), "model.ngram_dropout");
}

TEST(ModelConfig, RefusesEmbeddingsThatSaveNothing) {
  ModelConfig config = small_factorised();
  EXPECT_EQ(refusal(config), "");
  config.embedding_width = 24;
  EXPECT_THAT(refusal(config),
              HasSubstr("model.embedding_width: factors of width 24 save nothing"));
  config.embedding_width = 0;
  EXPECT_THAT(refusal(config),
              HasSubstr("factors of width 64 save nothing in a model of width 24"));
  config = small_composite();
  EXPECT_EQ(refusal(config), "");
  config.embedding_primes = 247;
  EXPECT_THAT(refusal(config), HasSubstr("model.embedding: 247 primes and 10 dense rows save "
                                         "nothing for 257 tokens"));
}

TEST(ModelConfig, RefusesSettingsOfAnotherEmbedding) {
  ModelConfig config = small_gpt2();
  config.embedding_width = 8;
  EXPECT_THAT(refusal(config), HasSubstr("model.embedding_width: is of a factorised embedding"));
  config = small_factorised();
  config.embedding_primes = 8;
  EXPECT_THAT(refusal(config), HasSubstr("model.embedding_primes: is of a composite embedding"));
  config.embedding_primes = 0;
  config.embedding_dense_rows = 8;
  EXPECT_THAT(refusal(config), HasSubstr("model.embedding_dense_rows: is of a composite"));
  config.embedding_dense_rows = 0;
  config.embedding_codes = EmbeddingCodes::kRandom;
  EXPECT_THAT(refusal(config), HasSubstr("model.embedding_codes: is of a composite"));
}

TEST(Transformer, ACompositeEmbeddingWithoutCodesIsAnError) {
  EXPECT_THAT(error_of(ErrorKind::kUsage, [] { Transformer model(small_composite()); }),
              HasSubstr("model.embedding: a composite embedding is made from a tokenizer"));
}

// Forward and backward of every matrix that a token meets, 6 operations a number; a row that is
// looked up is none.
TEST(Transformer, CountsTheOperationsOfEveryKindOfEmbedding) {
  const auto flops = [](const ModelConfig& config) {
    return Transformer(config, testing::test_codes(config)).training_flops_per_token();
  };
  const double table = 6.0 * 257 * 24;
  const double rest = flops(small_gpt2()) - table;
  ModelConfig config = small_factorised();
  EXPECT_EQ(flops(config), rest + 2 * 6.0 * 24 * 20 + 6.0 * 257 * 20);
  config.tied_head = false;
  EXPECT_EQ(flops(config), rest + 6.0 * 24 * 20 + table);
  config = small_composite();
  const auto pieces = static_cast<double>(testing::test_codes(config)->pieces().size());
  const double sums = 2 * 24 * pieces / 257;  // of the vectors of the input, and their gradient
  EXPECT_DOUBLE_EQ(flops(config), rest + sums + 6.0 * 70 * 24 + 2 * pieces + 257);
  config.tied_head = false;
  EXPECT_DOUBLE_EQ(flops(config), rest + sums + table);
}

// An arm of an ablation begins as the others do.
TEST(Transformer, TheKindOfEmbeddingChangesNoOtherParameterAtTheStart) {
  ThreadPool pool(2);
  const Transformer plain(small_gpt2());
  Arena a(plain.parameters().arena_floats(), "a");
  plain.initialise(pool, 7, a.data());
  for (const ModelConfig& config : {small_factorised(), small_composite()}) {
    const Transformer model(config, testing::test_codes(config));
    Arena b(model.parameters().arena_floats(), "b");
    model.initialise(pool, 7, b.data());
    for (const Parameter& parameter : plain.parameters().all()) {
      const Parameter* const other = model.parameters().find(parameter.name);
      ASSERT_EQ(other == nullptr, parameter.name == "embedding.token") << parameter.name;
      for (int64_t i = 0; other != nullptr && i < parameter.count; ++i)
        ASSERT_EQ(a.data()[parameter.offset + i], b.data()[other->offset + i]) << parameter.name;
    }
  }
}

TEST(ModelConfig, RefusesAPriorThatIsNeverSeenOrTooDear) {
  ModelConfig config = small_gpt2();
  config.prior_order = 8;
  EXPECT_EQ(refusal(config), "");
  config.context_length = 6;
  EXPECT_THAT(refusal(config), HasSubstr("model.prior_order: an n-gram of 8 tokens is never seen "
                                         "in a context of 6"));
  config.context_length = 7;
  EXPECT_EQ(refusal(config), "");
  config.vocabulary_size = (1 << 16) + 1;
  EXPECT_THAT(refusal(config), HasSubstr("model.prior_order: a vocabulary of 65537 is above"));
  config.prior_order = 0;
  EXPECT_EQ(refusal(config), "") << "the vocabulary matters to a prior only";
}

TEST(ModelConfig, DerivesWhatIsZero) {
  ModelConfig config = small_gpt2();
  EXPECT_EQ(config.kv_head_count(), 3);
  EXPECT_EQ(config.head_width(), 8);
  EXPECT_EQ(config.mlp_hidden(), 96);
  config.mlp = nn::MlpKind::kSwiglu;
  EXPECT_EQ(config.mlp_hidden(), 64) << "8/3 width, up to a multiple of 32";
  config.width = 288;
  EXPECT_EQ(config.mlp_hidden(), 768);
  config.mlp_width = 5;
  EXPECT_EQ(config.mlp_hidden(), 5);
}

// A second initialisation of other threads gives the same numbers; deviations are as configured.
TEST(Transformer, InitialisesFromConfigurationAndSeedAlone) {
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    ThreadPool one(1), three(3);
    Arena a(model.parameters().arena_floats(), "a"), b(model.parameters().arena_floats(), "b");
    model.initialise(one, 7, a.data());
    model.initialise(three, 7, b.data());
    EXPECT_TRUE(testing::same_bits(values_of(a), values_of(b)));
    for (const Parameter& parameter : model.parameters().all()) {
      double sum = 0;
      for (int64_t i = 0; i < parameter.count; ++i)
        sum += std::pow(static_cast<double>(a.data()[parameter.offset + i]), 2);
      const double deviation = std::sqrt(sum / static_cast<double>(parameter.count));
      const bool branch =
          parameter.name.ends_with("output.weight") || parameter.name.ends_with("down.weight");
      const bool zero =
          (config.zero_init_projections && (branch || parameter.name == "head.weight")) ||
          parameter.name.starts_with("embedding.ngram.");
      if (!parameter.is_matrix()) {
        EXPECT_EQ(deviation, parameter.name.ends_with("gain") ? 1 : 0) << parameter.name;
      } else if (zero) {
        EXPECT_EQ(deviation, 0) << parameter.name;
      } else {  // 4 standard errors of a sample of at least 480
        // The projection keeps the length of what it projects.
        const double expected = parameter.name == "embedding.projection.weight"
                                    ? 1 / std::sqrt(static_cast<double>(parameter.shape[1]))
                                    : config.init_deviation / (branch ? 2 : 1);
        EXPECT_NEAR(deviation / expected, 1, 0.13) << parameter.name;
      }
    }
  }
}

// All else begins as in the model without memory, and the memory adds nothing yet.
TEST(Transformer, AMemoryOfNgramsChangesNoOtherParameterAtTheStart) {
  const Transformer with(small_own()), without(without_ngrams(small_own()));
  ThreadPool pool(2);
  Arena a(with.parameters().arena_floats(), "a"), b(without.parameters().arena_floats(), "b");
  with.initialise(pool, 7, a.data());
  without.initialise(pool, 7, b.data());
  for (const Parameter& parameter : with.parameters().all()) {
    const Parameter* const other = without.parameters().find(parameter.name);
    for (int64_t i = 0; i < parameter.count; ++i)
      ASSERT_EQ(a.data()[parameter.offset + i], other ? b.data()[other->offset + i] : 0)
          << parameter.name;
  }
}

}  // namespace
}  // namespace cllm
