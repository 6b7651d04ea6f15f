// The plain truth of the whole decoder, for double and complex: every option of ModelConfig,
// dropout included, one formula after the other and no gradients. Gradients come from the complex
// step.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <string>
#include <vector>

#include "model/transformer.h"
#include "reference/attention.h"
#include "reference/composite.h"
#include "reference/cross_entropy.h"
#include "reference/elementwise.h"
#include "reference/embedding.h"
#include "reference/ngram.h"
#include "reference/norm.h"
#include "reference/rotary.h"

namespace cllm::reference {

// Parameters by name from an arena of any scalar type.
template <class T>
struct Weights {
  const ParameterTable& table;
  const std::vector<T>& arena;

  // Empty if there is no such parameter.
  std::vector<T> get(const std::string& name) const {
    const Parameter* parameter = table.find(name);
    if (parameter == nullptr) return {};
    const auto begin = arena.begin() + parameter->offset;
    return {begin, begin + parameter->count};
  }
};

// The shape of a call and the dropout of its micro-step.
struct Call {
  int64_t B = 1, T = 1;
  double dropout = 0;       // 0 in inference
  bool dropout_on = false;  // training: that of the n-grams too
  uint64_t seed = 0;
  uint32_t micro_step = 0;
  std::vector<double> frequencies = {};  // rotary; [D/2]
};

inline constexpr uint32_t kEmbeddingSite = 0xffffff, kNgramSite = 0xfffffe;

template <class T>
std::vector<T> plus(std::vector<T> a, const std::vector<T>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    a[i] += b[i];
  return a;
}

inline double dropout_factor(const Call& call, uint32_t site, uint64_t element) {
  if (call.dropout == 0) return 1;
  return dropout_keeps(call.dropout, call.seed, call.micro_step, site, element)
             ? 1 / (1 - call.dropout)
             : 0;
}

template <class T>
std::vector<T> dropped(const Call& call, uint32_t site, std::vector<T> x) {
  for (size_t i = 0; i < x.size(); ++i)
    x[i] *= dropout_factor(call, site, i);
  return x;
}

// y [N, out] = x [N, in] w^T + bias; bias may be empty.
template <class T>
std::vector<T> linear(size_t in, const std::vector<T>& w, const std::vector<T>& bias,
                      const std::vector<T>& x) {
  const size_t out = w.size() / in;
  std::vector<T> y;
  for (size_t row = 0; row < x.size(); row += in)
    for (size_t o = 0; o < out; ++o) {
      T sum = bias.empty() ? T{} : bias[o];
      for (size_t i = 0; i < in; ++i)
        sum += x[row + i] * w[o * in + i];
      y.push_back(sum);
    }
  return y;
}

template <class T>
std::vector<T> linear(const Weights<T>& weights, const std::string& name, int64_t in,
                      const std::vector<T>& x) {
  return linear(static_cast<size_t>(in), weights.get(name + ".weight"), weights.get(name + ".bias"),
                x);
}

template <class T>
std::vector<T> norm(const Weights<T>& weights, const std::string& name, nn::NormKind kind,
                    int64_t C, float epsilon, const std::vector<T>& x) {
  const auto width = static_cast<size_t>(C);
  const auto gain = weights.get(name + ".gain");
  return kind == nn::NormKind::kRmsNorm ? rms_norm(width, static_cast<double>(epsilon), x, gain)
                                        : layer_norm(width, static_cast<double>(epsilon), x, gain,
                                                     weights.get(name + ".bias"));
}

// The tanh form.
template <class T>
T gelu_of(T x) {
  using std::tanh;
  return 0.5 * x * (1.0 + tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

template <class T>
std::vector<T> mlp(const Weights<T>& weights, const std::string& name, const nn::MlpOptions& o,
                   const std::vector<T>& x) {
  std::vector<T> hidden = linear(weights, name + ".up", o.C, x);
  if (o.kind == nn::MlpKind::kSwiglu)
    hidden = swiglu(static_cast<size_t>(o.F), hidden);
  else if (o.kind == nn::MlpKind::kGelu)
    for (T& h : hidden)
      h = gelu_of(h);
  else
    for (T& h : hidden)
      h = std::real(h) > 0 ? h * h : T{};
  return linear(weights, name + ".down", o.F, hidden);
}

// Columns [first, first + count) of rows of `width`.
template <class T>
std::vector<T> columns(const std::vector<T>& x, int64_t width, int64_t first, int64_t count) {
  std::vector<T> y;
  for (auto row = x.begin(); row != x.end(); row += width)
    y.insert(y.end(), row + first, row + first + count);
  return y;
}

// Norm and rotation of the q or k heads.
template <class T>
std::vector<T> positioned(const Call& call, const nn::AttentionOptions& o, int64_t heads,
                          const std::vector<T>& gain, std::vector<T> x) {
  if (o.qk_norm)
    x = rms_norm(static_cast<size_t>(o.D), static_cast<double>(o.qk_norm_epsilon), x, gain);
  if (o.rotary)
    x = rotary(static_cast<size_t>(call.T), static_cast<size_t>(heads), 0, call.frequencies, x);
  return x;
}

template <class T>
std::vector<T> attention_layer(const Weights<T>& weights, const std::string& name,
                               const nn::AttentionOptions& o, uint32_t layer, const Call& call,
                               const std::vector<T>& x) {
  const std::vector<T> qkv = linear(weights, name + ".qkv", o.C, x);
  const int64_t q_width = o.H * o.D, k_width = o.K * o.D, width = q_width + 2 * k_width;
  const auto q =
      positioned(call, o, o.H, weights.get(name + ".q_norm.gain"), columns(qkv, width, 0, q_width));
  const auto k = positioned(call, o, o.K, weights.get(name + ".k_norm.gain"),
                            columns(qkv, width, q_width, k_width));
  const Attention shape{.B = call.B,
                        .T = call.T,
                        .S = call.T,
                        .H = o.H,
                        .K = o.K,
                        .D = o.D,
                        .scale = 1 / std::sqrt(static_cast<double>(o.D)),
                        .factor = [&](int64_t element) {
                          return dropout_factor(call, 4 * layer, static_cast<uint64_t>(element));
                        }};
  const auto heads =
      attention_forward(shape, q, k, columns(qkv, width, q_width + k_width, k_width));
  return linear(weights, name + ".output", q_width, heads);
}

template <class T>
std::vector<T> block(const Weights<T>& weights, const std::string& name, const nn::BlockOptions& o,
                     uint32_t layer, const Call& call, const std::vector<T>& x) {
  const int64_t C = o.attention.C;
  const auto attended =
      attention_layer(weights, name + ".attention", o.attention, layer, call,
                      norm(weights, name + ".attention_norm", o.norm, C, o.norm_epsilon, x));
  const auto middle = plus(dropped(call, 4 * layer + 1, attended), x);
  const auto thought = mlp(weights, name + ".mlp", o.mlp,
                           norm(weights, name + ".mlp_norm", o.norm, C, o.norm_epsilon, middle));
  return plus(dropped(call, 4 * layer + 2, thought), middle);
}

// The rotary frequencies of a configuration; empty with learned positions.
inline std::vector<double> rotary_frequencies(const ModelConfig& config) {
  std::vector<double> frequencies;
  if (config.position != PositionKind::kRotary) return frequencies;
  const auto D = static_cast<double>(config.head_width());
  for (double i = 0; i < D / 2; ++i)
    frequencies.push_back(std::pow(config.rotary_base, -2 * i / D));
  return frequencies;
}

// What the memory of n-grams adds, [N, C].
template <class T>
std::vector<T> ngrams(const ModelConfig& config, const Weights<T>& weights, Call call,
                      const std::vector<int32_t>& tokens) {
  std::vector<T> sum(tokens.size() * static_cast<size_t>(config.width));
  for (int64_t order = 2; order <= config.ngram_order; ++order)
    for (const char* which : {".A", ".B"})
      add_ngrams(static_cast<size_t>(call.T), static_cast<size_t>(config.width),
                 static_cast<uint64_t>(config.vocabulary_size), static_cast<size_t>(order), tokens,
                 weights.get("embedding.ngram." + std::to_string(order) + which), sum);
  // A call without dropout (inference) has none here either.
  call.dropout =
      call.dropout_on ? static_cast<double>(static_cast<float>(config.ngram_dropout)) : 0;
  return dropped(call, kNgramSite, std::move(sum));
}

// E [V, C], the vector of every token, whatever the embedding's kind.
template <class T>
std::vector<T> token_vectors(const nn::EmbeddingOptions& o, const Weights<T>& weights) {
  if (o.kind == nn::EmbeddingKind::kFactorised)
    return linear(weights, "embedding.projection", o.width, weights.get("embedding.factors"));
  if (o.kind == nn::EmbeddingKind::kComposite)
    return composite(o.codes->matrix(), static_cast<size_t>(o.C), weights.get("embedding.pieces"));
  return weights.get("embedding.token");
}

// Logits [B T, V] before the softcap.
template <class T>
std::vector<T> decoder_logits(const Transformer& model, const std::vector<T>& arena, Call call,
                              const std::vector<int32_t>& tokens) {
  const ModelConfig& config = model.config();
  const Weights<T> weights{model.parameters(), arena};
  call.frequencies = rotary_frequencies(config);
  const auto table = token_vectors(model.embedding().options(), weights);
  auto x = embedding(static_cast<size_t>(call.T), static_cast<size_t>(config.width), tokens, table,
                     weights.get("embedding.position"));
  x = plus(std::move(x), ngrams(config, weights, call, tokens));
  x = dropped(call, kEmbeddingSite, std::move(x));
  for (size_t layer = 0; layer < model.blocks().size(); ++layer)
    x = block(weights, "blocks." + std::to_string(layer), model.blocks()[layer].options(),
              static_cast<uint32_t>(layer), call, x);
  x = norm(weights, "final_norm", config.norm, config.width,
           static_cast<float>(config.norm_epsilon), x);
  return linear(static_cast<size_t>(config.width),
                config.tied_head ? table : weights.get("head.weight"), {}, x);
}

// Sum of the losses of the counted targets.
template <class T>
T decoder_loss(const Transformer& model, const std::vector<T>& arena, const Call& call,
               const std::vector<int32_t>& tokens, const std::vector<int32_t>& targets) {
  const ModelConfig& config = model.config();
  const auto losses = cross_entropy(static_cast<size_t>(config.vocabulary_size),
                                    static_cast<double>(static_cast<float>(config.logit_softcap)),
                                    targets, decoder_logits(model, arena, call, tokens));
  T sum{};
  for (const T& loss : losses)
    sum += loss;
  return sum;
}

}  // namespace cllm::reference
