#include "bench/operation_cases.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "bench/head_cases.h"
#include "bench/operands.h"
#include "model/transformer.h"
#include "ops/attention.h"
#include "ops/cross_entropy.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/norm.h"
#include "ops/qk_norm.h"
#include "ops/rotary.h"
#include "optim/optimizer.h"
#include "optim/orthogonalise.h"

namespace cllm::bench {
namespace {

// Parameters of a timed optimizer step: more than any cache, and no gigabytes for a large preset.
constexpr int64_t kMostParameters = int64_t{16} << 20;
// Logits are made for a slice of rows at a time, as the model does it.
constexpr int64_t kLogitFloats = int64_t{16} << 20;
constexpr float kEpsilon = 1e-5f;

struct Sizes {
  int64_t B, T, N, C, V;
  Sizes(const BenchPreset& preset, const ModelConfig& config)
      : B(preset.batch_size),
        T(config.context_length),
        N(B * T),
        C(config.width),
        V(config.vocabulary_size) {}
};

OperationCase norm_forward(const ops::Context& context, const BenchPreset& preset,
                           const ModelConfig& config) {
  const Sizes s(preset, config);
  const Floats x = random_floats(context, s.N * s.C), y = random_floats(context, s.N * s.C);
  const Floats gain = random_floats(context, s.C), bias = random_floats(context, s.C);
  const Floats mean = random_floats(context, s.N), rstd = random_floats(context, s.N);
  const bool rms = config.norm == nn::NormKind::kRmsNorm;
  return {s.N * s.C, bytes_of(2 * s.N * s.C), 0, [=, &context] {
            if (rms)
              ops::rms_norm_forward(context, s.N, s.C, kEpsilon, x->data(), s.C, gain->data(),
                                    y->data(), s.C, rstd->data());
            else
              ops::layer_norm_forward(context, s.N, s.C, kEpsilon, x->data(), gain->data(),
                                      bias->data(), y->data(), mean->data(), rstd->data());
          }};
}

OperationCase norm_backward(const ops::Context& context, const BenchPreset& preset,
                            const ModelConfig& config) {
  const Sizes s(preset, config);
  const Floats x = random_floats(context, s.N * s.C), dy = random_floats(context, s.N * s.C);
  const Floats dx = random_floats(context, s.N * s.C), gain = random_floats(context, s.C);
  const Floats dgain = random_floats(context, s.C), dbias = random_floats(context, s.C);
  const Floats mean = random_floats(context, s.N), rstd = random_floats(context, s.N);
  const Floats scratch = random_floats(context, static_cast<int64_t>(ops::norm_scratch(s.N, s.C)));
  const bool rms = config.norm == nn::NormKind::kRmsNorm;
  return {s.N * s.C, bytes_of(4 * s.N * s.C), 0, [=, &context] {
            if (rms)
              ops::rms_norm_backward(context, s.N, s.C, x->data(), s.C, gain->data(), rstd->data(),
                                     dy->data(), s.C, dx->data(), s.C, true, dgain->data(),
                                     scratch->data());
            else
              ops::layer_norm_backward(context, s.N, s.C, x->data(), gain->data(), mean->data(),
                                       rstd->data(), dy->data(), dx->data(), dgain->data(),
                                       dbias->data(), scratch->data());
          }};
}

// q, k and v are columns of one fused buffer, as in the model.
struct AttentionOperands {
  ops::AttentionShape shape;
  int64_t width, row;
  Floats qkv, dqkv, out, dout, log_sum_exp, scratch;

  AttentionOperands(const ops::Context& context, const Sizes& s, const ModelConfig& config) {
    shape = {.B = s.B,
             .T = s.T,
             .S = s.T,
             .H = config.heads,
             .K = config.kv_head_count(),
             .D = config.head_width()};
    shape.scale = 1 / std::sqrt(static_cast<float>(shape.D));
    row = shape.H * shape.D;
    width = row + 2 * shape.K * shape.D;
    qkv = random_floats(context, s.N * width), dqkv = random_floats(context, s.N * width);
    out = random_floats(context, s.N * row), dout = random_floats(context, s.N * row);
    log_sum_exp = random_floats(context, s.N * shape.H);
    scratch = random_floats(context, static_cast<int64_t>(ops::attention_scratch(context, shape)));
  }
  void forward(const ops::Context& context) const {
    const float* x = qkv->data();
    ops::attention_forward(context, shape, {x, width, 0}, {x + row, width, 0},
                           {x + row + shape.K * shape.D, width, 0}, {out->data(), row, 0},
                           log_sum_exp->data(), scratch->data());
  }
  void backward(const ops::Context& context) const {
    const float* x = qkv->data();
    float* dx = dqkv->data();
    ops::attention_backward(
        context, shape, {x, width, 0}, {x + row, width, 0}, {x + row + shape.K * shape.D, width, 0},
        {out->data(), row, 0}, log_sum_exp->data(), {dout->data(), row, 0}, {dx, width, 0},
        {dx + row, width, 0}, {dx + row + shape.K * shape.D, width, 0}, scratch->data());
  }
  // Of query, key and head size that the causal mask leaves.
  double products() const {
    const auto T = static_cast<double>(shape.T);
    return static_cast<double>(shape.B * shape.H * shape.D) * T * (T + 1) / 2;
  }
};

OperationCase attention_forward(const ops::Context& context, const BenchPreset& preset,
                                const ModelConfig& config) {
  const Sizes s(preset, config);
  const AttentionOperands operands(context, s, config);
  return {s.N * operands.row, bytes_of(s.N * (operands.width + operands.row)),
          4 * operands.products(), [operands, &context] { operands.forward(context); }};
}

OperationCase attention_backward(const ops::Context& context, const BenchPreset& preset,
                                 const ModelConfig& config) {
  const Sizes s(preset, config);
  const AttentionOperands operands(context, s, config);
  operands.forward(context);
  return {s.N * operands.row, bytes_of(s.N * 2 * (operands.width + operands.row)),
          10 * operands.products(), [operands, &context] { operands.backward(context); }};
}

// Logits are overwritten by their gradient, so a second call works on other numbers; its time is
// the same.
OperationCase cross_entropy(const ops::Context& context, const BenchPreset& preset,
                            const ModelConfig& config) {
  const Sizes s(preset, config);
  const int64_t rows = std::clamp<int64_t>(kLogitFloats / s.V, 16, s.N);
  const Floats logits = random_floats(context, rows * s.V), losses = random_floats(context, rows);
  return {rows * s.V, bytes_of(2 * rows * s.V), 0, [=, &context, targets = random_ids(rows, s.V)] {
            ops::cross_entropy(context, rows, s.V, 0, targets.data(), 1.0f, logits->data(),
                               losses->data());
          }};
}

OperationCase embedding_forward(const ops::Context& context, const BenchPreset& preset,
                                const ModelConfig& config) {
  const Sizes s(preset, config);
  const Floats table = random_floats(context, s.V * s.C),
               positions = random_floats(context, s.T * s.C);
  const Floats x = random_floats(context, s.N * s.C);
  const bool learned = config.position == PositionKind::kLearned;
  return {s.N * s.C, bytes_of(2 * s.N * s.C), 0, [=, &context, tokens = random_ids(s.N, s.V)] {
            ops::embedding_forward(context, s.N, s.T, s.C, tokens.data(), table->data(),
                                   learned ? positions->data() : nullptr, x->data());
          }};
}

OperationCase embedding_backward(const ops::Context& context, const BenchPreset& preset,
                                 const ModelConfig& config) {
  const Sizes s(preset, config);
  const Floats dtable = random_floats(context, s.V * s.C),
               dpositions = random_floats(context, s.T * s.C);
  const Floats dx = random_floats(context, s.N * s.C);
  const bool learned = config.position == PositionKind::kLearned;
  const int64_t rows = std::min(s.N, s.V);  // of the table that are touched, about
  return {s.N * s.C, bytes_of((s.N + 2 * rows) * s.C), 0,
          [=, &context, tokens = random_ids(s.N, s.V)] {
            ops::embedding_backward(context, s.N, s.T, s.C, tokens.data(), dx->data(),
                                    dtable->data(), learned ? dpositions->data() : nullptr);
          }};
}

void turn_slowly(int64_t T, int64_t D, Arena& cosine, Arena& sine) {
  const std::vector<double> frequencies(static_cast<size_t>(D / 2), 0.01);
  ops::rotary_tables(T, frequencies, cosine.data(), sine.data());
}

// Turns queries and keys, whatever positions the preset has.
OperationCase rotary(const ops::Context& context, const BenchPreset& preset,
                     const ModelConfig& config) {
  const Sizes s(preset, config);
  const int64_t D = config.head_width(), heads = config.heads + config.kv_head_count();
  const int64_t stride = (config.heads + 2 * config.kv_head_count()) * D;
  const Floats x = random_floats(context, s.N * stride);
  const Floats cosine = random_floats(context, s.T * D / 2),
               sine = random_floats(context, s.T * D / 2);
  turn_slowly(s.T, D, *cosine, *sine);
  return {s.N * heads * D, bytes_of(2 * s.N * heads * D), 0, [=, &context] {
            ops::rotary(context, s.N, s.T, heads, D, 0, cosine->data(), sine->data(), 1, x->data(),
                        stride);
          }};
}

// With the rotation, as in a model that has both, whatever the preset has.
struct QkNormOperands {
  ops::QkNormShape shape;
  int64_t row;
  Floats x, dx, y, q_gain, k_gain, dq_gain, dk_gain, rstd, cosine, sine, scratch;

  QkNormOperands(const ops::Context& context, const Sizes& s, const ModelConfig& config) {
    const int64_t H = config.heads, K = config.kv_head_count(), D = config.head_width();
    row = (H + K) * D;
    x = random_floats(context, s.N * row), dx = random_floats(context, s.N * row);
    y = random_floats(context, s.N * row);
    q_gain = random_floats(context, D), k_gain = random_floats(context, D);
    dq_gain = random_floats(context, D), dk_gain = random_floats(context, D);
    rstd = random_floats(context, s.N * (H + K));
    cosine = random_floats(context, s.T * D / 2), sine = random_floats(context, s.T * D / 2);
    turn_slowly(s.T, D, *cosine, *sine);
    scratch = random_floats(context, ops::qk_norm_scratch(s.N, D));
    shape = {.N = s.N,
             .T = s.T,
             .H = H,
             .K = K,
             .D = D,
             .epsilon = kEpsilon,
             .cosine = cosine->data(),
             .sine = sine->data()};
  }
};

OperationCase qk_norm_forward(const ops::Context& context, const BenchPreset& preset,
                              const ModelConfig& config) {
  const Sizes s(preset, config);
  const QkNormOperands o(context, s, config);
  return {s.N * o.row, bytes_of(2 * s.N * o.row), 0, [=, &context] {
            ops::qk_norm_forward(context, o.shape, o.x->data(), o.row, o.q_gain->data(),
                                 o.k_gain->data(), o.y->data(), o.row, o.rstd->data());
          }};
}

// dy is turned back where it lies, so that a second call works on other numbers of the same length.
OperationCase qk_norm_backward(const ops::Context& context, const BenchPreset& preset,
                               const ModelConfig& config) {
  const Sizes s(preset, config);
  const QkNormOperands o(context, s, config);
  return {s.N * o.row, bytes_of(4 * s.N * o.row), 0, [=, &context] {
            ops::qk_norm_backward(context, o.shape, o.x->data(), o.row, o.q_gain->data(),
                                  o.k_gain->data(), o.rstd->data(), o.y->data(), o.row,
                                  o.dx->data(), o.row, o.dq_gain->data(), o.dk_gain->data(),
                                  o.scratch->data());
          }};
}

OperationCase dropout(const ops::Context& context, const BenchPreset& preset,
                      const ModelConfig& config) {
  const Sizes s(preset, config);
  const Floats x = random_floats(context, s.N * s.C), y = random_floats(context, s.N * s.C);
  return {s.N * s.C, bytes_of(2 * s.N * s.C), 0, [=, &context] {
            ops::dropout(context, s.N * s.C, 0.2f, {1, 2, 3}, x->data(), y->data());
          }};
}

OperationCase swiglu_forward(const ops::Context& context, const BenchPreset& preset,
                             const ModelConfig& config) {
  const Sizes s(preset, config);
  const int64_t F = config.mlp_hidden();
  const Floats x = random_floats(context, s.N * 2 * F), y = random_floats(context, s.N * F);
  return {s.N * F, bytes_of(3 * s.N * F), 0,
          [=, &context] { ops::swiglu_forward(context, s.N, F, x->data(), y->data()); }};
}

OperationCase column_sum(const ops::Context& context, const BenchPreset& preset,
                         const ModelConfig& config) {
  const Sizes s(preset, config);
  const int64_t F = config.mlp_hidden();
  const Floats x = random_floats(context, s.N * F), out = random_floats(context, F);
  const Floats scratch = random_floats(context, ops::column_sum_scratch(s.N, F));
  return {s.N * F, bytes_of(s.N * F), 0, [=, &context] {
            ops::column_sum(context, s.N, F, x->data(), F, out->data(), scratch->data());
          }};
}

int64_t parameter_floats(const ModelConfig& config) {
  return std::min(Transformer(config).parameters().arena_floats(), kMostParameters);
}

OperationCase adamw(const ops::Context& context, const BenchPreset&, const ModelConfig& config) {
  const int64_t count = parameter_floats(config);
  const Floats weights = random_floats(context, count), gradients = random_floats(context, count);
  const Floats first = random_floats(context, count);
  const auto second = std::make_shared<Arena>(count, "operation benchmark");  // never negative
  return {count, bytes_of(7 * count), 0, [=, &context] {
            const optim::ParameterSpan span{.begin = 0, .count = count, .decays = true};
            optim::adamw_step(context, {}, {&span, 1}, 100, 1e-3, 1.0f, gradients->data(),
                              weights->data(), first->data(), second->data());
          }};
}

// Muon's part for the matrix of a block that expands to the MLP.
OperationCase orthogonalise(const ops::Context& context, const BenchPreset&,
                            const ModelConfig& config) {
  const int64_t rows = config.mlp_hidden(), columns = config.width;
  const Floats x = random_floats(context, rows * columns),
               out = random_floats(context, rows * columns);
  const Floats scratch =
      random_floats(context, optim::orthogonalise_scratch(context, rows, columns));
  return {rows * columns, bytes_of(2 * rows * columns), optim::orthogonalise_flops(rows, columns),
          [=, &context] {
            optim::orthogonalise(context, rows, columns, x->data(), out->data(), scratch->data());
          }};
}

OperationCase gradient_norm(const ops::Context& context, const BenchPreset&,
                            const ModelConfig& config) {
  const int64_t count = parameter_floats(config);
  const Floats gradients = random_floats(context, count);
  const auto partial =
      std::make_shared<std::vector<double>>(static_cast<size_t>(optim::norm_partials(count)));
  return {count, bytes_of(count), 0, [=, &context] {
            optim::gradient_norm(context, count, gradients->data(), partial->data());
          }};
}

}  // namespace

const std::vector<Operation>& operations() {
  static const std::vector<Operation> all = {{"norm forward", norm_forward},
                                             {"norm backward", norm_backward},
                                             {"attention forward", attention_forward},
                                             {"attention backward", attention_backward},
                                             {"cross entropy", cross_entropy},
                                             {"embedding forward", embedding_forward},
                                             {"embedding backward", embedding_backward},
                                             {"rotary", rotary},
                                             {"qk norm forward", qk_norm_forward},
                                             {"qk norm backward", qk_norm_backward},
                                             {"dropout", dropout},
                                             {"swiglu forward", swiglu_forward},
                                             {"column sum", column_sum},
                                             {"adamw", adamw},
                                             {"orthogonalise", orthogonalise},
                                             {"gradient norm", gradient_norm},
                                             {"head 8k dense", dense_head_8k},
                                             {"head 8k composite", composite_head_8k},
                                             {"head 50k dense", dense_head_50k},
                                             {"head 50k composite", composite_head_50k}};
  return all;
}

}  // namespace cllm::bench
