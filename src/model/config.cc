#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/suggest.h"
#include "model/logit_prior.h"

namespace cllm {
namespace {

// The largest vocabulary that was measured with a prior (docs/crystalline.md).
constexpr int64_t kMostPriorTokens = 1 << 16;

constexpr EnumName<nn::NormKind> kNormNames[] = {{nn::NormKind::kLayerNorm, "layernorm"},
                                                 {nn::NormKind::kRmsNorm, "rmsnorm"}};
constexpr EnumName<PositionKind> kPositionNames[] = {{PositionKind::kLearned, "learned"},
                                                     {PositionKind::kRotary, "rotary"}};
constexpr EnumName<nn::MlpKind> kMlpNames[] = {
    {nn::MlpKind::kGelu, "gelu"}, {nn::MlpKind::kRelu2, "relu2"}, {nn::MlpKind::kSwiglu, "swiglu"}};

constexpr EnumName<nn::EmbeddingKind> kEmbeddingNames[] = {
    {nn::EmbeddingKind::kDense, "dense"},
    {nn::EmbeddingKind::kFactorised, "factorised"},
    {nn::EmbeddingKind::kComposite, "composite"},
    {nn::EmbeddingKind::kLattice, "lattice"}};
constexpr EnumName<EmbeddingCodes> kCodeNames[] = {{EmbeddingCodes::kPrime, "prime"},
                                                   {EmbeddingCodes::kRandom, "random"}};

ModelConfig gpt2_shape(int64_t layers, int64_t heads, int64_t width, int64_t context) {
  ModelConfig config;
  config.layers = layers;
  config.heads = heads;
  config.width = width;
  config.context_length = context;
  return config;
}

ModelConfig llama_shape(int64_t layers, int64_t heads, int64_t width, int64_t context) {
  ModelConfig config = gpt2_shape(layers, heads, width, context);
  config.norm = nn::NormKind::kRmsNorm;
  config.position = PositionKind::kRotary;
  config.mlp = nn::MlpKind::kSwiglu;
  config.bias = false;
  return config;
}

struct Preset {
  std::string_view name;
  ModelConfig config;
};

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = {
      {"demo", llama_shape(4, 4, 128, 128)},      {"nano", gpt2_shape(4, 4, 128, 64)},
      {"baby", gpt2_shape(6, 6, 384, 256)},       {"gpt2", gpt2_shape(12, 12, 768, 1024)},
      {"llama-15m", llama_shape(6, 6, 288, 256)},
  };
  return all;
}

[[noreturn]] void refuse(const std::string& setting, const std::string& what,
                         const std::string& hint) {
  throw Error(ErrorKind::kUsage, "model." + setting, what, hint);
}

}  // namespace

void ModelConfig::list(FieldList& fields) {
  list_sizes(fields);
  list_kinds(fields);
  list_embedding(fields);
  list_ngrams(fields);
}

void ModelConfig::list_sizes(FieldList& fields) {
  fields.add("vocabulary_size", vocabulary_size,
             {.help = "distinct tokens; 0 takes it from the tokenizer",
              .unit = "tokens",
              .minimum = 0,
              .maximum = 1 << 24});
  fields.add("context_length", context_length,
             {.help = "longest sequence the model sees",
              .unit = "tokens",
              .minimum = 1,
              .maximum = 1 << 20});
  fields.add("layers", layers, {.help = "transformer blocks", .minimum = 1, .maximum = 1024});
  fields.add("heads", heads, {.help = "query heads", .minimum = 1, .maximum = 1024});
  fields.add("kv_heads", kv_heads,
             {.help = "key/value heads; 0 = heads", .minimum = 0, .maximum = 1024});
  fields.add("width", width,
             {.help = "width of the residual stream", .minimum = 1, .maximum = 1 << 16});
  fields.add("head_size", head_size,
             {.help = "size of one head; 0 = width / heads", .minimum = 0, .maximum = 1024});
  fields.add("mlp_width", mlp_width,
             {.help = "hidden width of the MLP; 0 = 4 width, or 8/3 width for swiglu",
              .minimum = 0,
              .maximum = 1 << 18});
}

void ModelConfig::list_kinds(FieldList& fields) {
  fields.add("norm", norm, kNormNames, {.help = "normalisation of the residual stream"});
  fields.add("norm_epsilon", norm_epsilon,
             {.help = "added to the variance", .minimum = 0, .maximum = 1, .above_minimum = true});
  fields.add("position", position, kPositionNames, {.help = "how positions enter"});
  fields.add("rotary_base", rotary_base,
             {.help = "longest rotary wavelength / 2 pi", .minimum = 1, .above_minimum = true});
  fields.add("mlp", mlp, kMlpNames, {.help = "activation of the MLP"});
  fields.add("bias", bias, {.help = "biases in linears and LayerNorms"});
  fields.add("tied_head", tied_head, {.help = "output head shares the token embedding"});
  fields.add("qk_norm", qk_norm, {.help = "RMS norm of every query and key head"});
  fields.add("logit_softcap", logit_softcap,
             {.help = "logits become cap * tanh(logit / cap); 0 = off", .minimum = 0});
  fields.add("zero_init_projections", zero_init_projections,
             {.help = "projections back to the residual stream and an untied head start at zero"});
  fields.add("init_deviation", init_deviation,
             {.help = "standard deviation of fresh weights", .minimum = 0, .above_minimum = true});
  fields.add("dropout", dropout,
             {.help = "dropout of embeddings, attention and residual branches",
              .minimum = 0,
              .maximum = 1,
              .below_maximum = true});
}

void ModelConfig::list_embedding(FieldList& fields) {
  fields.add("embedding", embedding, kEmbeddingNames,
             {.help = "vectors of the tokens, and logits if the head is tied: dense, a row each; "
                      "factorised, a narrow row times a matrix; composite, sums of rows that "
                      "tokens share; lattice, the nearest points of E8"});
  fields.add("embedding_width", embedding_width,
             {.help = "factorised: width of the rows; 0 = 64", .minimum = 0, .maximum = 1 << 16});
  fields.add("embedding_primes", embedding_primes,
             {.help = "composite: rows that tokens share, one per prime; 0 = as many as the bytes "
                      "of the vocabulary need, more are given to its merges",
              .minimum = 0,
              .maximum = 1 << 20});
  fields.add("embedding_dense_rows", embedding_dense_rows,
             {.help = "composite: so many of the most frequent tokens have rows of their own",
              .unit = "tokens",
              .minimum = 0,
              .maximum = 1 << 20});
  fields.add("embedding_codes", embedding_codes, kCodeNames,
             {.help = "composite: what tokens share; prime, their bytes and merges; random, as "
                      "many rows drawn by lot, to compare with"});
  fields.add("embedding_step", embedding_step,
             {.help = "lattice: unit of the points' coordinates, a power of two; 0 = 1/64",
              .minimum = 0,
              .maximum = 1});
}

void ModelConfig::list_ngrams(FieldList& fields) {
  fields.add("ngram_order", ngram_order,
             {.help = "hashed tables of n-grams of 2 to this many tokens are added to the input; 0 "
                      "= none",
              .unit = "tokens",
              .minimum = 0,
              .maximum = 4});
  fields.add("ngram_rows", ngram_rows,
             {.help = "most rows of a table of n-grams; two primes up to it are chosen",
              .minimum = 64,  // 18 primes; a vocabulary below 2^24 has at most 8 factors
              .maximum = 1 << 24});
  fields.add("ngram_modulus_a", ngram_modulus_a,
             {.help = "rows of the first table of an order; 0 = a prime up to ngram_rows",
              .minimum = 0,
              .maximum = 1 << 24});
  fields.add("ngram_modulus_b", ngram_modulus_b,
             {.help = "rows of the second table of an order; 0 = a prime up to ngram_rows",
              .minimum = 0,
              .maximum = 1 << 24});
  fields.add("ngram_dropout", ngram_dropout,
             {.help = "dropout of what the tables of n-grams add",
              .minimum = 0,
              .maximum = 1,
              .below_maximum = true});
  fields.add("prior_order", prior_order,
             {.help = "the logits are added to the log-probabilities of a Kneser-Ney model, of "
                      "n-grams of up to this many tokens of the training text; 0 = none",
              .unit = "tokens",
              .minimum = 0,
              .maximum = kLongestPrior});
}

int64_t ModelConfig::mlp_hidden() const {
  if (mlp_width > 0) return mlp_width;
  if (mlp != nn::MlpKind::kSwiglu) return 4 * width;
  return (8 * width / 3 + 31) / 32 * 32;
}

void ModelConfig::validate() const {
  if (head_size == 0 && width % heads != 0)
    refuse("width", fmt::format("{} is not divisible by {} heads", width, heads),
           fmt::format("use a multiple of {}, or set model.head_size", heads));
  if (heads % kv_head_count() != 0)
    refuse("kv_heads",
           fmt::format("{} query heads cannot share {} key/value heads", heads, kv_head_count()),
           "use a divisor of model.heads");
  if (position == PositionKind::kRotary && head_width() % 2 != 0)
    refuse("head_size",
           fmt::format("rotary positions turn pairs, but the head size {} is odd", head_width()),
           "use an even head size");
  if (vocabulary_size < 1)
    refuse("vocabulary_size", "the vocabulary is empty", "give a tokenizer or a vocabulary size");
  validate_embedding();
  validate_ngrams();
  if (prior_order != 0) validate_prior();
}

void ModelConfig::validate_prior() const {
  if (prior_order - 1 > context_length)
    refuse("prior_order",
           fmt::format("an n-gram of {} tokens is never seen in a context of {}", prior_order,
                       context_length),
           "choose a shorter one, or a longer context");
  if (vocabulary_size > kMostPriorTokens)
    refuse("prior_order",
           fmt::format("a vocabulary of {} is above {}, the largest that was measured with one",
                       vocabulary_size, kMostPriorTokens),
           "leave it at 0, or choose a smaller vocabulary");
}

void ModelConfig::validate_embedding() const {
  const bool factorised = embedding == nn::EmbeddingKind::kFactorised;
  const bool composite = embedding == nn::EmbeddingKind::kComposite;
  if (embedding_width != 0 && !factorised)
    refuse("embedding_width", "is of a factorised embedding",
           "leave it at 0, or set model.embedding=factorised");
  if (factorised && factor_width() >= width)
    refuse("embedding_width",
           fmt::format("factors of width {} save nothing in a model of width {}", factor_width(),
                       width),
           "use less");
  if (!composite && (code_rows() != 0 || embedding_codes != EmbeddingCodes::kPrime))
    refuse(embedding_primes != 0       ? "embedding_primes"
           : embedding_dense_rows != 0 ? "embedding_dense_rows"
                                       : "embedding_codes",
           "is of a composite embedding", "drop it, or set model.embedding=composite");
  validate_lattice();
  if (composite && code_rows() >= vocabulary_size)
    refuse("embedding",
           fmt::format("{} primes and {} dense rows save nothing for {} tokens", embedding_primes,
                       embedding_dense_rows, vocabulary_size),
           "use a larger bpe vocabulary or fewer rows; bytes and characters are primes already");
}

void ModelConfig::validate_lattice() const {
  if (embedding != nn::EmbeddingKind::kLattice) {
    if (embedding_step != 0)
      refuse("embedding_step", "is of a lattice embedding",
             "leave it at 0, or set model.embedding=lattice");
    return;
  }
  int exponent = 0;
  if (std::frexp(lattice_step(), &exponent) != 0.5 || exponent < -19)
    refuse("embedding_step", fmt::format("{} is no power of two from 2^-20 on", lattice_step()),
           "choose one, such as 0.015625");
  if (width % 8 != 0)
    refuse("width", fmt::format("{} is no multiple of 8, which points of E8 need", width),
           "choose one that is");
}

void ModelConfig::refuse_idle_ngrams() const {
  const ModelConfig defaults{};
  const auto require_default = [](const std::string& name, auto value, auto idle) {
    if (value != idle)
      refuse(name, "is of a memory of n-grams",
             fmt::format("leave it at {}, or set model.ngram_order to 2, 3 or 4", idle));
  };
  require_default("ngram_rows", ngram_rows, defaults.ngram_rows);
  require_default("ngram_modulus_a", ngram_modulus_a, defaults.ngram_modulus_a);
  require_default("ngram_modulus_b", ngram_modulus_b, defaults.ngram_modulus_b);
  require_default("ngram_dropout", ngram_dropout, defaults.ngram_dropout);
}

void ModelConfig::forget_idle_ngrams() {
  if (ngram_order != 0) return;
  const ModelConfig defaults{};
  ngram_rows = defaults.ngram_rows;
  ngram_modulus_a = defaults.ngram_modulus_a;
  ngram_modulus_b = defaults.ngram_modulus_b;
  ngram_dropout = defaults.ngram_dropout;
}

void ModelConfig::validate_ngrams() const {
  if (ngram_order == 0) return refuse_idle_ngrams();
  if (ngram_order == 1)
    refuse("ngram_order", "an n-gram of one token is the token itself", "use 0, or 2 to 4");
  for (const auto& [name, modulus] : {std::pair("ngram_modulus_a", ngram_modulus_a),
                                      std::pair("ngram_modulus_b", ngram_modulus_b)})
    if (modulus < 2 || std::gcd(modulus, vocabulary_size + 1) != 1)
      refuse(name,
             fmt::format("{} is not coprime with the vocabulary + 1 = {}, so that rows would not "
                         "depend on all tokens of an n-gram",
                         modulus, vocabulary_size + 1),
             "leave it at 0");
  if (std::gcd(ngram_modulus_a, ngram_modulus_b) != 1)
    refuse("ngram_modulus_b",
           fmt::format("{} and {} have a common factor, so that n-grams that share a row of one "
                       "table share one of the other",
                       ngram_modulus_a, ngram_modulus_b),
           "leave both at 0");
}

ModelConfig model_preset(std::string_view name) {
  for (const Preset& preset : presets())
    if (preset.name == name) return preset.config;
  const std::vector<std::string> names = model_preset_names();
  std::string list;
  for (const std::string& known : names)
    list += (list.empty() ? "" : ", ") + known;
  throw Error(ErrorKind::kUsage, "--preset", fmt::format("there is no preset '{}'", name),
              did_you_mean(name, names, "use one of: " + list));
}

std::vector<std::string> model_preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets())
    names.emplace_back(preset.name);
  return names;
}

}  // namespace cllm
