#include "model/transformer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/philox.h"

namespace cllm {
namespace {

constexpr int64_t kInitChunk = 1 << 14;  // elements filled by one task
// A dropout site above those of the blocks (nn/block.cc) and below the embedding's.
constexpr uint32_t kNgramDropout = 0xfffffeu;

}  // namespace

Transformer::Transformer(const ModelConfig& config) : config_(config) {
  config.validate();
  const int64_t V = config.vocabulary_size, C = config.width;
  const double deviation = config.init_deviation;
  token_table_ = table_.add("embedding.token", {V, C}, Initial::kNormal, deviation);
  if (config.position == PositionKind::kLearned)
    position_table_ =
        table_.add("embedding.position", {config.context_length, C}, Initial::kNormal, deviation);
  ngram_memory_ =
      nn::NgramMemory(table_, {.V = V,
                               .C = C,
                               .order = static_cast<int>(config.ngram_order),
                               .moduli = {config.ngram_modulus_a, config.ngram_modulus_b},
                               .dropout = static_cast<float>(config.ngram_dropout),
                               .site = kNgramDropout});
  const nn::BlockOptions options = block_options();
  for (int64_t layer = 0; layer < config.layers; ++layer)
    blocks_.emplace_back(table_, fmt::format("blocks.{}", layer), options,
                         static_cast<uint32_t>(layer));
  final_norm_ = nn::Norm(table_, "final_norm", config.norm, C, options.norm_epsilon, config.bias);
  head_ = config.tied_head ? nn::Linear::tied_to(table_, token_table_)
                           : nn::Linear(table_, "head", C, V, false,
                                        config.zero_init_projections ? 0.0 : deviation);
}

nn::BlockOptions Transformer::block_options() const {
  const ModelConfig& c = config_;
  // GPT-2: the residual stream's variance stays bounded if each of the 2L branches starts smaller.
  const double output_deviation =
      c.zero_init_projections ? 0.0
                              : c.init_deviation / std::sqrt(2.0 * static_cast<double>(c.layers));
  nn::BlockOptions options;
  options.norm = c.norm;
  options.norm_epsilon = static_cast<float>(c.norm_epsilon);
  options.norm_bias = c.bias;
  options.dropout = static_cast<float>(c.dropout);
  options.attention = {.C = c.width,
                       .H = c.heads,
                       .K = c.kv_head_count(),
                       .D = c.head_width(),
                       .bias = c.bias,
                       .rotary = c.position == PositionKind::kRotary,
                       .qk_norm = c.qk_norm,
                       .qk_norm_epsilon = static_cast<float>(c.norm_epsilon),
                       .dropout = static_cast<float>(c.dropout),
                       .deviation = c.init_deviation,
                       .output_deviation = output_deviation};
  options.mlp = {.kind = c.mlp,
                 .C = c.width,
                 .F = c.mlp_hidden(),
                 .bias = c.bias,
                 .deviation = c.init_deviation,
                 .output_deviation = output_deviation};
  return options;
}

std::vector<const nn::Linear*> Transformer::linears() const {
  std::vector<const nn::Linear*> all;
  for (const nn::Block& block : blocks_)
    for (const nn::Linear* linear : block.linears())
      all.push_back(linear);
  all.push_back(&head_);
  return all;
}

void Transformer::initialise(ThreadPool& pool, uint64_t seed, float* weights) const {
  const Philox source(seed, RandomStream::kInit);
  uint64_t stream = 0;
  for (const Parameter& parameter : table_.all()) {
    // A memory of n-grams takes no stream, so that all else begins as without it.
    const uint64_t index = stream;
    if (!ngram_memory_.owns(parameter)) ++stream;
    float* values = weights + parameter.offset;
    pool.parallel_for((parameter.count + kInitChunk - 1) / kInitChunk, [&](int64_t chunk, int) {
      const int64_t end = std::min(parameter.count, (chunk + 1) * kInitChunk);
      for (int64_t i = chunk * kInitChunk; i < end; ++i) {
        if (parameter.initial == Initial::kNormal)
          values[i] = static_cast<float>(parameter.deviation *
                                         source.normal(index, static_cast<uint64_t>(i)));
        else
          values[i] = parameter.initial == Initial::kOne ? 1.0f : 0.0f;
      }
    });
  }
}

double Transformer::training_flops_per_token() const {
  const ModelConfig& c = config_;
  double matrices =
      static_cast<double>(table_.count() - token_table().count - ngram_memory_.parameter_count());
  if (const Parameter* positions = position_table())
    matrices -= static_cast<double>(positions->count);
  if (c.tied_head) matrices += static_cast<double>(token_table().count);
  const double attention =
      static_cast<double>(c.layers * c.context_length * c.heads * c.head_width());
  return 6 * matrices + 6 * attention;
}

}  // namespace cllm
