#include "model/config_json.h"

#include <cmath>

#include "base/error.h"
#include "model/stored_names.h"

namespace cllm {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// The ranges of ModelConfig::list, so that a hostile file cannot ask for a million layers.
constexpr int64_t kMostTokens = 1 << 24, kLongestContext = 1 << 20, kMostLayers = 1024;
constexpr int64_t kMostHeads = 1024, kLargestHead = 1024, kWidest = 1 << 16, kWidestMlp = 1 << 18;

OrderedJson id_or_null(int64_t id) {
  return id < 0 ? OrderedJson(nullptr) : OrderedJson(id);
}

OrderedJson gpt2_json(const ModelConfig& c) {
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"model_type", "gpt2"},
          {"vocab_size", c.vocabulary_size},
          {"n_positions", c.context_length},
          {"n_ctx", c.context_length},
          {"n_embd", c.width},
          {"n_layer", c.layers},
          {"n_head", c.heads},
          {"n_inner", c.mlp_hidden()},
          {"activation_function", "gelu_new"},
          {"layer_norm_epsilon", c.norm_epsilon},
          {"resid_pdrop", c.dropout},
          {"embd_pdrop", c.dropout},
          {"attn_pdrop", c.dropout},
          {"initializer_range", c.init_deviation},
          {"scale_attn_weights", true},
          {"tie_word_embeddings", c.tied_head},
          {"use_cache", true}};
}

OrderedJson llama_json(const ModelConfig& c) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", c.vocabulary_size},
          {"hidden_size", c.width},
          {"intermediate_size", c.mlp_hidden()},
          {"num_hidden_layers", c.layers},
          {"num_attention_heads", c.heads},
          {"num_key_value_heads", c.kv_head_count()},
          {"head_dim", c.head_width()},
          {"hidden_act", "silu"},
          {"max_position_embeddings", c.context_length},
          {"initializer_range", c.init_deviation},
          {"rms_norm_eps", c.norm_epsilon},
          {"rope_theta", c.rotary_base},
          {"rope_scaling", nullptr},
          {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", c.rotary_base}}},
          {"attention_bias", false},
          {"attention_dropout", c.dropout},
          {"mlp_bias", false},
          {"tie_word_embeddings", c.tied_head},
          {"use_cache", true}};
}

// Our own family stores the settings under their own names.
OrderedJson cllm_json(ModelConfig config) {
  OrderedJson json = {{"architectures", {"CllmForCausalLM"}}, {"model_type", "cllm"}};
  FieldList fields;
  config.list(fields);
  for (const Field& field : fields.fields())
    std::visit([&](const auto& value) { json[field.name()] = value; }, field.value());
  return json;
}

// Typed access to the keys of a config.json.
class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }

  int64_t size(const char* key, int64_t maximum) const {
    const Json& value = at(key);
    if (!value.is_number_integer()) mistyped(key, "an integer");
    const auto number = value.get<int64_t>();
    if (number < 1 || number > maximum)
      throw Error(ErrorKind::kData, where_, fmt::format("\"{}\" is {}", key, value.dump()),
                  fmt::format("expected 1 to {}", maximum));
    return number;
  }
  int64_t size_or(const char* key, int64_t otherwise, int64_t maximum) const {
    return has(key) ? size(key, maximum) : otherwise;
  }

  double number_or(const char* key, double otherwise) const {
    if (!has(key)) return otherwise;
    if (!at(key).is_number()) mistyped(key, "a number");
    return at(key).get<double>();
  }
  bool flag_or(const char* key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!at(key).is_boolean()) mistyped(key, "true or false");
    return at(key).get<bool>();
  }
  std::string text_or(const char* key, const std::string& otherwise) const {
    if (!has(key)) return otherwise;
    if (!at(key).is_string()) mistyped(key, "a string");
    return at(key).get<std::string>();
  }
  // Refuses an option that would make this engine compute another function than the model's.
  void require(bool supported, const char* key) const {
    if (!supported)
      throw Error(ErrorKind::kData, where_,
                  fmt::format("\"{}\" = {} is not supported", key, json_.value(key, Json()).dump()),
                  "only plain GPT-2 and Llama models can be loaded");
  }
  const Json& at(const char* key) const {
    if (!json_.contains(key))
      throw Error(ErrorKind::kData, where_, fmt::format("\"{}\" is missing", key),
                  "is this the config.json of a GPT-2 or Llama model?");
    return json_[key];
  }
  const std::string& where() const { return where_; }

 private:
  [[noreturn]] void mistyped(const char* key, const char* expected) const {
    throw Error(ErrorKind::kData, where_, fmt::format("\"{}\" is {}", key, at(key).dump()),
                fmt::format("expected {}", expected));
  }
  const Json& json_;
  std::string where_;
};

ModelConfig gpt2_config(const Reader& in) {
  ModelConfig c;
  c.vocabulary_size = in.size("vocab_size", kMostTokens);
  c.context_length = in.has("n_positions") ? in.size("n_positions", kLongestContext)
                                           : in.size("n_ctx", kLongestContext);
  c.width = in.size("n_embd", kWidest);
  c.layers = in.size("n_layer", kMostLayers);
  c.heads = in.size("n_head", kMostHeads);
  c.mlp_width = in.size_or("n_inner", 0, kWidestMlp);
  c.norm_epsilon = in.number_or("layer_norm_epsilon", 1e-5);
  c.dropout = in.number_or("resid_pdrop", 0.0);
  c.tied_head = in.flag_or("tie_word_embeddings", true);
  c.init_deviation = in.number_or("initializer_range", 0.02);
  const std::string activation = in.text_or("activation_function", "gelu_new");
  in.require(activation == "gelu_new" || activation == "gelu_pytorch_tanh", "activation_function");
  in.require(in.flag_or("scale_attn_weights", true), "scale_attn_weights");
  in.require(!in.flag_or("scale_attn_by_inverse_layer_idx", false),
             "scale_attn_by_inverse_layer_idx");
  return c;
}

// transformers 4 keeps rope_theta and rope_scaling at the top, transformers 5 in rope_parameters.
double rotary_base(const Reader& in) {
  if (in.has("rope_scaling")) {
    const Json& scaling = in.at("rope_scaling");
    const Json kind =
        scaling.is_object() ? scaling.value("rope_type", scaling.value("type", Json())) : Json();
    in.require(kind == "default", "rope_scaling");
  }
  if (!in.has("rope_parameters")) return in.number_or("rope_theta", 10000);
  const Json& nested = in.at("rope_parameters");
  in.require(nested.is_object() && nested.value("rope_type", Json("default")) == "default",
             "rope_parameters");
  return Reader(nested, in.where()).number_or("rope_theta", in.number_or("rope_theta", 10000));
}

ModelConfig llama_config(const Reader& in) {
  ModelConfig c;
  c.norm = nn::NormKind::kRmsNorm;
  c.position = PositionKind::kRotary;
  c.mlp = nn::MlpKind::kSwiglu;
  c.bias = false;
  c.vocabulary_size = in.size("vocab_size", kMostTokens);
  c.context_length = in.size("max_position_embeddings", kLongestContext);
  c.width = in.size("hidden_size", kWidest);
  c.layers = in.size("num_hidden_layers", kMostLayers);
  c.heads = in.size("num_attention_heads", kMostHeads);
  c.kv_heads = in.size_or("num_key_value_heads", 0, kMostHeads);
  c.head_size = in.size_or("head_dim", 0, kLargestHead);
  c.mlp_width = in.size("intermediate_size", kWidestMlp);
  c.norm_epsilon = in.number_or("rms_norm_eps", 1e-6);
  c.rotary_base = rotary_base(in);
  c.tied_head = in.flag_or("tie_word_embeddings", false);
  c.dropout = in.number_or("attention_dropout", 0.0);
  c.init_deviation = in.number_or("initializer_range", 0.02);
  in.require(in.text_or("hidden_act", "silu") == "silu", "hidden_act");
  in.require(!in.flag_or("attention_bias", false), "attention_bias");
  in.require(!in.flag_or("mlp_bias", false), "mlp_bias");
  return c;
}

FieldValue field_value(const Reader& in, const char* key) {
  const Json& value = in.at(key);
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  throw Error(ErrorKind::kData, in.where(), fmt::format("\"{}\" is {}", key, value.dump()),
              "expected a plain value");
}

// A file from before a setting of n-grams or of the embedding existed has none.
bool may_be_absent(const std::string& name) {
  return name.starts_with("ngram_") || name.starts_with("embedding") || name == "prior_order";
}

ModelConfig cllm_config(const Reader& in) {
  ModelConfig config;
  FieldList fields;
  config.list(fields);
  for (Field& field : fields.fields())
    if ((in.has(field.name().c_str()) || !may_be_absent(field.name())) &&
        field.assign(field_value(in, field.name().c_str())) != Field::Outcome::kDone)
      throw Error(ErrorKind::kData, in.where(),
                  fmt::format("\"{}\" is {}", field.name(), in.at(field.name().c_str()).dump()),
                  "expected " + field.expectation());
  if (config.embedding == nn::EmbeddingKind::kComposite && config.embedding_primes < 1)
    throw Error(ErrorKind::kData, in.where(), "\"embedding_primes\" is 0",
                "expected how many primes the codes of the tokens have");
  return config;
}

}  // namespace

OrderedJson config_to_json(const ModelConfig& config, const SpecialTokens& special) {
  const ModelFamily family = model_family(config);
  OrderedJson json = family == ModelFamily::kGpt2    ? gpt2_json(config)
                     : family == ModelFamily::kLlama ? llama_json(config)
                                                     : cllm_json(config);
  json["bos_token_id"] = id_or_null(special.begin);
  json["eos_token_id"] = id_or_null(special.end);
  json["pad_token_id"] = id_or_null(special.pad);
  json["torch_dtype"] = "float32";
  json["dtype"] = "float32";
  return json;
}

ModelConfig config_from_json(const Json& json, const std::string& where) {
  if (!json.is_object())
    throw Error(ErrorKind::kData, where, "is not a JSON object", "expected a model's config.json");
  const Reader in(json, where);
  const std::string type = in.text_or("model_type", "");
  ModelConfig config;
  if (type == "gpt2")
    config = gpt2_config(in);
  else if (type == "llama")
    config = llama_config(in);
  else if (type == "cllm")
    config = cllm_config(in);
  else
    throw Error(ErrorKind::kData, where, fmt::format("model_type '{}' is not supported", type),
                "gpt2, llama and cllm models can be loaded");
  for (const double number : {config.norm_epsilon, config.rotary_base, config.init_deviation})
    if (!(number > 0) || !std::isfinite(number))
      throw Error(ErrorKind::kData, where, "a constant is not a positive number",
                  "check epsilon, rotary base and initializer range");
  if (!(config.dropout >= 0 && config.dropout < 1))
    throw Error(ErrorKind::kData, where, fmt::format("dropout is {}", config.dropout),
                "expected 0 <= dropout < 1");
  try {
    config.forget_idle_ngrams();
    config.validate();
  } catch (const Error& error) {
    throw Error(ErrorKind::kData, where, error.what(), "");
  }
  return config;
}

}  // namespace cllm
