#include "bench/staircase_worker.h"

#include <algorithm>

#include "base/check.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/norm.h"

namespace cllm::bench {
namespace {

int64_t offset_of(const Transformer& model, const std::string& name) {
  const Parameter* parameter = model.parameters().find(name);
  CHECK_MSG(parameter != nullptr, "no parameter {}", name);
  return parameter->offset;
}

LinearPlace linear_place(const Transformer& model, const std::string& name, int64_t in,
                         int64_t out) {
  return {in, out, offset_of(model, name + ".weight"), offset_of(model, name + ".bias")};
}

int64_t reduction_floats(const ModelConfig& config, int64_t N) {
  const int64_t widest = std::max(3 * config.width, config.mlp_hidden());
  const auto norm = static_cast<int64_t>(ops::norm_scratch(N, config.width));
  return std::max(ops::column_sum_scratch(N, widest), norm);
}

// The whole pipeline is made for this one architecture, that of the origins and of GPT-2.
void check_kind(const ModelConfig& c) {
  CHECK(c.norm == nn::NormKind::kLayerNorm && c.position == PositionKind::kLearned &&
        c.mlp == nn::MlpKind::kGelu && c.bias && c.tied_head && !c.qk_norm &&
        c.logit_softcap == 0 && c.dropout == 0 && c.kv_head_count() == c.heads &&
        c.heads * c.head_width() == c.width);
}

}  // namespace

PlainWorker::PlainWorker(const Features& features, const Transformer& model,
                         const ops::Context& context, int64_t B)
    : features_(features),
      config_(model.config()),
      C_(config_.width),
      V_(config_.vocabulary_size),
      token_table_(model.token_table().offset),
      position_table_(offset_of(model, "embedding.position")),
      final_norm_{offset_of(model, "final_norm.gain"), offset_of(model, "final_norm.bias")},
      head_{C_, V_, token_table_, -1},
      layers_(features, context, reduction_floats(config_, B * config_.context_length),
              config_.context_length),
      pass_buffers_(features.reused_buffers),
      batch_buffers_(features.reused_buffers) {
  check_kind(config_);
  const auto norm = [&](const std::string& name) {
    return NormPlace{offset_of(model, name + ".gain"), offset_of(model, name + ".bias")};
  };
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    const std::string name = fmt::format("blocks.{}", layer);
    const int64_t F = config_.mlp_hidden();
    blocks_.push_back({norm(name + ".attention_norm"), norm(name + ".mlp_norm"),
                       linear_place(model, name + ".attention.qkv", C_, 3 * C_),
                       linear_place(model, name + ".attention.output", C_, C_),
                       linear_place(model, name + ".mlp.up", C_, F),
                       linear_place(model, name + ".mlp.down", F, C_)});
  }
}

HeadShape PlainWorker::head_shape(const Pass& pass) const {
  return {pass.B, pass.T, config_.heads, config_.head_width()};
}

void PlainWorker::embed_by_token(const Pass& pass, float* x) {
  for (int64_t n = 0; n < pass.N; ++n)
    layers_.context().kernels.fp32.rows.add(C_, pass.weights + token_table_ + pass.tokens[n] * C_,
                                            pass.weights + position_table_ + n % pass.T * C_,
                                            x + n * C_);
}

void PlainWorker::scatter_by_token(const Pass& pass, const float* dx) {
  const auto accumulate = layers_.context().kernels.fp32.rows.accumulate;
  for (int64_t n = 0; n < pass.N; ++n) {
    accumulate(C_, dx + n * C_, pass.gradients + token_table_ + pass.tokens[n] * C_);
    accumulate(C_, dx + n * C_, pass.gradients + position_table_ + n % pass.T * C_);
  }
}

PlainWorker::NormStatistics PlainWorker::norm_forward(const Pass& pass, const NormPlace& place,
                                                      const float* x, float* y) {
  const NormStatistics kept{pass_buffers_.take(pass.N), pass_buffers_.take(pass.N)};
  ops::layer_norm_forward(layers_.context(), pass.N, C_, static_cast<float>(config_.norm_epsilon),
                          x, pass.weights + place.gain, pass.weights + place.bias, y, kept.mean,
                          kept.rstd);
  return kept;
}

void PlainWorker::norm_backward(const Pass& pass, const NormPlace& place,
                                const NormStatistics& statistics, const float* x, const float* dy,
                                float* dx) {
  ops::layer_norm_backward(layers_.context(), pass.N, C_, x, pass.weights + place.gain,
                           statistics.mean, statistics.rstd, dy, dx, pass.gradients + place.gain,
                           pass.gradients + place.bias, layers_.reduction());
}

PlainWorker::Kept PlainWorker::block_forward(const Pass& pass, const BlockPlace& place,
                                             const float* x) {
  const int64_t N = pass.N, F = place.up.out;
  const HeadShape heads = head_shape(pass);
  Kept kept{};
  kept.input = x;
  kept.attention_input = pass_buffers_.take(N * C_);
  kept.attention_norm = norm_forward(pass, place.attention_norm, x, kept.attention_input);
  kept.qkv = pass_buffers_.take(N * 3 * C_);
  layers_.linear_forward(N, place.qkv, pass.weights, kept.attention_input, kept.qkv);
  kept.probabilities = pass_buffers_.take(heads.B * heads.H * heads.matrix_floats());
  kept.heads = pass_buffers_.take(N * C_);
  layers_.attention_forward(heads, kept.qkv, kept.probabilities, kept.heads);
  kept.middle = pass_buffers_.take(N * C_);
  layers_.linear_forward(N, place.output, pass.weights, kept.heads, kept.middle, {.residual = x});
  kept.mlp_input = pass_buffers_.take(N * C_);
  kept.mlp_norm = norm_forward(pass, place.mlp_norm, kept.middle, kept.mlp_input);
  kept.hidden = pass_buffers_.take(N * F);
  kept.activation = pass_buffers_.take(N * F);
  layers_.linear_forward(N, place.up, pass.weights, kept.mlp_input, kept.activation,
                         {.hidden = kept.hidden});
  kept.output = pass_buffers_.take(N * C_);
  layers_.linear_forward(N, place.down, pass.weights, kept.activation, kept.output,
                         {.residual = kept.middle});
  return kept;
}

void PlainWorker::block_backward(const Pass& pass, const BlockPlace& place, const Kept& kept,
                                 const Gradients& buffers, float* dx) {
  layers_.linear_backward(pass.N, place.down, pass.weights, kept.activation, dx, pass.gradients,
                          buffers.hidden, kept.hidden);
  layers_.linear_backward(pass.N, place.up, pass.weights, kept.mlp_input, buffers.hidden,
                          pass.gradients, buffers.input);
  norm_backward(pass, place.mlp_norm, kept.mlp_norm, kept.middle, buffers.input, dx);
  layers_.linear_backward(pass.N, place.output, pass.weights, kept.heads, dx, pass.gradients,
                          buffers.heads);
  layers_.attention_backward(head_shape(pass), kept.qkv, kept.probabilities, buffers.heads,
                             buffers.qkv);
  layers_.linear_backward(pass.N, place.qkv, pass.weights, kept.attention_input, buffers.qkv,
                          pass.gradients, buffers.input);
  norm_backward(pass, place.attention_norm, kept.attention_norm, kept.input, buffers.input, dx);
}

double PlainWorker::head(const Pass& pass, const float* final, float* dfinal) {
  float* logits = pass_buffers_.take(pass.N * V_);
  float* probabilities = features_.fused ? nullptr : pass_buffers_.take(pass.N * (V_ + 1));
  float* losses = pass_buffers_.take(pass.N);
  layers_.linear_forward(pass.N, head_, pass.weights, final, logits);
  const double loss =
      layers_.cross_entropy(pass.N, V_, pass.targets, pass.scale, logits, probabilities, losses);
  layers_.linear_backward(pass.N, head_, pass.weights, final, logits, pass.gradients, dfinal);
  return loss;
}

double PlainWorker::run(const Pass& pass, const float* x, float* dx) {
  const int64_t N = pass.N;
  std::vector<Kept> kept;
  for (const BlockPlace& place : blocks_)
    kept.push_back(block_forward(pass, place, kept.empty() ? x : kept.back().output));
  float* final = pass_buffers_.take(N * C_);
  const NormStatistics statistics = norm_forward(pass, final_norm_, kept.back().output, final);
  float* dfinal = pass_buffers_.take(N * C_);
  const double loss = head(pass, final, dfinal);
  ops::fill_zero(layers_.context(), N * C_, dx);
  norm_backward(pass, final_norm_, statistics, kept.back().output, dfinal, dx);
  const Gradients buffers{pass_buffers_.take(N * 3 * C_), pass_buffers_.take(N * C_),
                          pass_buffers_.take(N * config_.mlp_hidden()), pass_buffers_.take(N * C_)};
  for (size_t layer = blocks_.size(); layer-- > 0;)
    block_backward(pass, blocks_[layer], kept[layer], buffers, dx);
  return loss;
}

double PlainWorker::forward_backward(const Batch& batch, const float* weights, float gradient_scale,
                                     float* gradients) {
  const int64_t T = batch.T, N = batch.B * T, at_once = features_.batched ? batch.B : 1;
  const ops::Context& context = layers_.context();
  float *x = nullptr, *dx = nullptr;
  if (features_.gathered) {
    x = batch_buffers_.take(N * C_);
    dx = batch_buffers_.take(N * C_);
    ops::embedding_forward(context, N, T, C_, batch.tokens, weights + token_table_,
                           weights + position_table_, x);
  }
  double loss = 0;
  for (int64_t sequence = 0; sequence < batch.B; sequence += at_once) {
    const int64_t first = sequence * T;
    const Pass pass{
        at_once,        T,        at_once * T, batch.tokens + first, batch.targets + first, weights,
        gradient_scale, gradients};
    if (features_.gathered) {
      loss += run(pass, x + first * C_, dx + first * C_);
    } else {
      x = pass_buffers_.take(pass.N * C_);
      dx = pass_buffers_.take(pass.N * C_);
      embed_by_token(pass, x);
      loss += run(pass, x, dx);
      scatter_by_token(pass, dx);
    }
    pass_buffers_.release();
  }
  if (features_.gathered)
    ops::embedding_backward(context, N, T, C_, batch.tokens, dx, gradients + token_table_,
                            gradients + position_table_);
  batch_buffers_.release();
  return loss;
}

}  // namespace cllm::bench
