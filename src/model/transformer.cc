#include "model/transformer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/philox.h"

namespace cllm {
namespace {

constexpr int64_t kInitChunk = 1 << 14;  // elements filled by one task
// A dropout site above those of the blocks (nn/block.cc) and below the embedding's.
constexpr uint32_t kNgramDropout = 0xfffffeu;
// Where the projection of a factorised embedding draws its numbers, so that all else begins as
// with another embedding.
constexpr uint64_t kProjectionStream = uint64_t{1} << 31;

}  // namespace

Transformer::Transformer(const ModelConfig& config, std::shared_ptr<const nn::CodeTable> codes,
                         std::shared_ptr<const LogitPrior> prior)
    : config_(config), prior_(std::move(prior)) {
  config.validate();
  CHECK_MSG(prior_ == nullptr ||
                (config.prior_order > 0 && prior_->vocabulary_size() == config.vocabulary_size),
            "prior_order={} V={}", config.prior_order, config.vocabulary_size);
  const int64_t V = config.vocabulary_size, C = config.width;
  const double deviation = config.init_deviation;
  add_embedding(std::move(codes));
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
  head_ = config.tied_head
              ? nn::OutputHead::tied_to(table_, embedding_)
              : nn::OutputHead(table_, C, V, config.zero_init_projections ? 0.0 : deviation);
}

void Transformer::add_embedding(std::shared_ptr<const nn::CodeTable> codes) {
  const bool composite = config_.embedding == nn::EmbeddingKind::kComposite;
  if (composite && codes == nullptr)
    throw Error(ErrorKind::kUsage, "model.embedding",
                "a composite embedding is made from a tokenizer, and there is none here",
                "use it with `cllm train`, or with a model that has one");
  CHECK(composite == (codes != nullptr));
  if (composite)
    CHECK_MSG(codes->tokens() == config_.vocabulary_size && codes->rows() == config_.code_rows(),
              "codes of {} tokens and {} rows", codes->tokens(), codes->rows());
  embedding_ = nn::TokenEmbedding(table_, {.kind = config_.embedding,
                                           .V = config_.vocabulary_size,
                                           .C = config_.width,
                                           .width = config_.factor_width(),
                                           .codes = std::move(codes),
                                           .step = static_cast<float>(config_.lattice_step()),
                                           .deviation = config_.init_deviation});
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
  if (const nn::Linear* projection = embedding_.projection()) all.push_back(projection);
  for (const nn::Block& block : blocks_)
    for (const nn::Linear* linear : block.linears())
      all.push_back(linear);
  all.push_back(&head_.linear());
  return all;
}

void Transformer::initialise(ThreadPool& pool, uint64_t seed, float* weights) const {
  const Philox source(seed, RandomStream::kInit);
  uint64_t stream = 0;
  for (const Parameter& parameter : table_.all()) {
    const nn::Linear* projection = embedding_.projection();
    const bool projects =
        projection != nullptr && &parameter == &table_.at(projection->weight_parameter());
    const uint64_t index = projects ? kProjectionStream : stream;
    // A memory of n-grams takes no stream, so that all else begins as without it.
    if (!projects && !ngram_memory_.owns(parameter)) ++stream;
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
  int64_t matrices =
      table_.count() - embedding_.parameter_count() - ngram_memory_.parameter_count();
  if (const Parameter* positions = position_table()) matrices -= positions->count;
  if (!c.tied_head) matrices -= table_.at(head_.linear().weight_parameter()).count;
  const double attention =
      static_cast<double>(c.layers * c.context_length * c.heads * c.head_width());
  return 6 * static_cast<double>(matrices) + 6 * attention + embedding_.training_flops() +
         head_.training_flops();
}

}  // namespace cllm
