#include "model/config_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/stored_names.h"
#include "model_test_files.h"

namespace cllm {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json stored(const ModelConfig& config) {
  return json::parse(config_to_json(config, {.begin = 1, .end = 2, .pad = -1}).dump());
}

TEST(ConfigJson, EveryFamilyComesBack) {
  const std::vector<std::string> types = {"gpt2", "llama", "llama", "cllm", "cllm", "cllm", "cllm"};
  for (size_t i = 0; i < types.size(); ++i) {
    ModelConfig config = small_models()[i];
    if (config.ngram_order > 0) config.ngram_rows = 128;  // not the default
    const json file = stored(config);
    EXPECT_EQ(file.at("model_type"), types[i]);
    const ModelConfig back = config_from_json(file, "config.json");
    if (types[i] != "cllm") {  // these write what was derived
      config.mlp_width = config.mlp_hidden();
      if (types[i] == "llama") config.head_size = config.head_width();
    }
    EXPECT_EQ(settings_of(back), settings_of(config));
    EXPECT_EQ(stored(back), file);
  }
}

// As versions stored them that did not refuse them.
TEST(ConfigJson, TablesOfAMemoryThatIsNotThereAreForgotten) {
  json file = stored(without_ngrams(small_own()));
  ASSERT_TRUE(file.contains("ngram_rows"));
  file["ngram_rows"] = 64;
  file["ngram_dropout"] = 0.5;
  const ModelConfig back = config_from_json(file, "config.json");
  EXPECT_EQ(settings_of(back), settings_of(without_ngrams(small_own())));
}

TEST(ConfigJson, WritesSpecialTokens) {
  const json file = stored(small_gpt2());
  EXPECT_EQ(file.at("bos_token_id"), 1);
  EXPECT_EQ(file.at("eos_token_id"), 2);
  EXPECT_TRUE(file.at("pad_token_id").is_null());
}

TEST(ConfigJson, AModelIsOfAFamilyOnlyIfThatComputesIt) {
  EXPECT_EQ(model_family(small_gpt2()), ModelFamily::kGpt2);
  EXPECT_EQ(model_family(small_llama()), ModelFamily::kLlama);
  const auto changed = [](ModelConfig config, auto change) {
    change(config);
    return model_family(config);
  };
  EXPECT_EQ(changed(small_gpt2(), [](auto& c) { c.bias = false; }), ModelFamily::kCllm);
  EXPECT_EQ(changed(small_gpt2(), [](auto& c) { c.head_size = 6; }), ModelFamily::kCllm);
  EXPECT_EQ(changed(small_gpt2(), [](auto& c) { c.kv_heads = 1; }), ModelFamily::kCllm);
  EXPECT_EQ(changed(small_gpt2(), [](auto& c) { c.qk_norm = true; }), ModelFamily::kCllm);
  EXPECT_EQ(changed(small_gpt2(), [](auto& c) { c.mlp = nn::MlpKind::kRelu2; }),
            ModelFamily::kCllm);
  EXPECT_EQ(changed(small_llama(), [](auto& c) { c.logit_softcap = 1; }), ModelFamily::kCllm);
  EXPECT_EQ(changed(small_llama(), [](auto& c) { c.bias = true; }), ModelFamily::kCllm);
  EXPECT_EQ(changed(small_llama(), [](auto& c) { c.norm = nn::NormKind::kLayerNorm; }),
            ModelFamily::kCllm);
}

TEST(ConfigJson, ReadsWhatTheHubWrites) {
  const ModelConfig gpt2 = config_from_json(
      json::parse(R"({"model_type": "gpt2", "vocab_size": 50257, "n_ctx": 1024, "n_embd": 768,
                      "n_layer": 12, "n_head": 12, "layer_norm_epsilon": 1e-05,
                      "activation_function": "gelu_new", "resid_pdrop": 0.1, "torch_dtype": null,
                      "task_specific_params": {"text-generation": {"do_sample": true}}})"),
      "config.json");
  EXPECT_TRUE(gpt2.tied_head);
  EXPECT_EQ(gpt2.mlp_hidden(), 3072);
  EXPECT_EQ(gpt2.dropout, 0.1);
  json llama = stored(small_llama());
  llama.erase("rope_parameters");
  llama["rope_theta"] = 500000;
  EXPECT_EQ(config_from_json(llama, "config.json").rotary_base, 500000);
  llama.erase("rope_theta");
  EXPECT_EQ(config_from_json(llama, "config.json").rotary_base, 10000);
  llama["rope_parameters"] = {{"rope_theta", 123456.0}};
  EXPECT_EQ(config_from_json(llama, "config.json").rotary_base, 123456);
  llama.erase("head_dim");
  llama.erase("num_key_value_heads");
  EXPECT_EQ(config_from_json(llama, "config.json").kv_head_count(), 4);
  EXPECT_EQ(config_from_json(llama, "config.json").head_width(), 6);
}

// What would make this engine compute another function than the model's own software.
TEST(ConfigJson, RefusesWhatItDoesNotCompute) {
  const auto refused = [](json file, const char* key, const json& value) {
    file[key] = value;
    const std::string message =
        error_of(ErrorKind::kData, [&] { config_from_json(file, "/m/config.json"); });
    EXPECT_THAT(message, HasSubstr("/m/config.json")) << key;
    return message;
  };
  const json gpt2 = stored(small_gpt2()), llama = stored(small_llama());
  EXPECT_THAT(refused(gpt2, "activation_function", "relu"), HasSubstr("\"relu\""));
  refused(gpt2, "scale_attn_weights", false);
  refused(gpt2, "scale_attn_by_inverse_layer_idx", true);
  refused(gpt2, "model_type", "bert");
  refused(llama, "attention_bias", true);
  refused(llama, "mlp_bias", true);
  refused(llama, "hidden_act", "gelu");
  refused(llama, "rope_scaling", json{{"type", "linear"}, {"factor", 2.0}});
  refused(llama, "rope_scaling", "yarn");
  refused(llama, "rope_parameters", json{{"rope_type", "llama3"}});
  refused(llama, "rope_parameters", 3);
}

TEST(ConfigJson, AFileFromBeforeTheNgramsHasNone) {
  json file = stored(small_own());
  for (const char* key : {"ngram_order", "ngram_rows", "ngram_modulus_a", "ngram_modulus_b",
                          "ngram_dropout", "prior_order"})
    EXPECT_EQ(file.erase(key), 1u) << key;
  EXPECT_EQ(config_from_json(file, "config.json").ngram_order, 0);
  EXPECT_EQ(config_from_json(file, "config.json").prior_order, 0);
}

TEST(ConfigJson, AModelWithAPriorIsNoOtherProgramsModel) {
  ModelConfig config = small_gpt2();
  config.prior_order = 5;
  const json file = stored(config);
  EXPECT_EQ(file["model_type"], "cllm");
  EXPECT_EQ(config_from_json(file, "config.json").prior_order, 5);
}

TEST(ConfigJson, AFileFromBeforeTheKindsOfEmbeddingHasATable) {
  json file = stored(small_own());
  for (const char* key : {"embedding", "embedding_width", "embedding_primes",
                          "embedding_dense_rows", "embedding_codes"})
    EXPECT_EQ(file.erase(key), 1u) << key;
  EXPECT_EQ(config_from_json(file, "config.json").embedding, nn::EmbeddingKind::kDense);
}

// No other software computes these models, so their files must not look like those of a family.
TEST(ConfigJson, OnlyATableIsOfAFamily) {
  for (const ModelConfig& config : {small_factorised(), small_composite()})
    EXPECT_EQ(stored(config)["model_type"], "cllm");
}

TEST(ConfigJson, AModelWhosePrimesWereNotCountedIsRefused) {
  json file = stored(small_composite());
  file["embedding_primes"] = 0;
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { config_from_json(file, "config.json"); }),
              HasSubstr("config.json: \"embedding_primes\" is 0"));
}

// Every key of every family replaced by hostile values: an Error that names the file, or a model
// that is small enough to be made, never a crash.
TEST(ConfigJson, HostileValuesAreErrors) {
  const std::vector<json> hostile = {
      nullptr, true,  0,    -1,  1ull << 63,    18446744073709551615ull,
      1 << 30, 1e300, -1.5, "x", json::array(), json::object()};
  for (const ModelConfig& config : small_models()) {
    const json file = stored(config);
    for (const auto& [key, value] : file.items()) {
      for (const json& bad : hostile) {
        json changed = file;
        changed[key] = bad;
        try {
          const ModelConfig read = config_from_json(changed, "config.json");
          Transformer(read, testing::test_codes(read));
        } catch (const Error& error) {
          EXPECT_EQ(error.exit_code(), 3) << key << " " << bad;
          EXPECT_THAT(error.what(), HasSubstr("config.json")) << key << " " << bad;
        }
      }
      json without = file;
      without.erase(key);
      try {
        config_from_json(without, "config.json");
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(key)) << "missing";
      }
    }
  }
  for (const json& bad : hostile)
    EXPECT_NE(error_of(ErrorKind::kData, [&] { config_from_json(bad, "config.json"); }), "");
}

}  // namespace
}  // namespace cllm
