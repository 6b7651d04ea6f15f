#include "nn/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "ops/norm.h"
#include "ops/rotary.h"

namespace cllm::nn {

Attention::Attention(ParameterTable& table, const std::string& name,
                     const AttentionOptions& options, uint32_t layer)
    : options_(options), layer_(layer) {
  const int64_t D = options.D;
  qkv_ = Linear(table, name + ".qkv", options.C, qkv_width(), options.bias, options.deviation);
  if (options.qk_norm) {
    q_gain_ = table.at(table.add(name + ".q_norm.gain", {D}, Initial::kOne)).offset;
    k_gain_ = table.at(table.add(name + ".k_norm.gain", {D}, Initial::kOne)).offset;
  }
  output_ = Linear(table, name + ".output", options.H * D, options.C, options.bias,
                   options.output_deviation);
}

AttentionPlan Attention::plan(Planner& planner, const std::string& name,
                              const PlanShape& shape) const {
  const int64_t N = shape.rows();
  AttentionPlan plan;
  plan.qkv = planner.declare(name + ".qkv", N * qkv_width());
  if (options_.qk_norm) {
    plan.qk = planner.declare(name + ".qk", N * qk_width());
    plan.qk_rstd = planner.declare(name + ".qk_rstd", N * (options_.H + options_.K));
  }
  plan.heads = planner.declare(name + ".heads", heads_floats(N));
  if (shape.training) plan.log_sum_exp = planner.declare(name + ".log_sum_exp", N * options_.H);
  return plan;
}

void Attention::plan_backward(Planner& planner, const std::string& name, const PlanShape& shape,
                              AttentionPlan& plan) const {
  const int64_t N = shape.rows();
  plan.dqkv = planner.declare(name + ".dqkv", N * qkv_width());
  if (options_.qk_norm) plan.dqk = planner.declare(name + ".dqk", N * qk_width());
  for (const Slot slot : {plan.qkv, plan.qk, plan.qk_rstd, plan.heads, plan.log_sum_exp})
    planner.touch(slot);
}

ops::AttentionShape Attention::shape(const Run& run, int64_t S) const {
  ops::AttentionShape shape{
      .B = run.B, .T = run.T, .S = S, .H = options_.H, .K = options_.K, .D = options_.D};
  shape.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(options_.D)));
  shape.dropout = run.training ? options_.dropout : 0.0f;
  shape.dropout_key = run.dropout_key(4 * layer_);
  return shape;
}

void Attention::position_heads(const Run& run, const AttentionPlan& plan) const {
  const int64_t N = run.rows(), D = options_.D;
  float* target = run.at(plan.qkv);
  int64_t stride = qkv_width();
  if (options_.qk_norm) {
    const float* raw = target;
    target = run.at(plan.qk);
    stride = qk_width();
    for (int64_t head = 0; head < options_.H + options_.K; ++head) {
      const float* gain = run.weights + (head < options_.H ? q_gain_ : k_gain_);
      ops::rms_norm_forward(run.context, N, D, options_.qk_norm_epsilon, raw + head * D,
                            qkv_width(), gain, target + head * D, stride,
                            run.at(plan.qk_rstd) + head * N);
    }
  }
  if (options_.rotary)
    ops::rotary(run.context, N, run.T, options_.H + options_.K, D, run.first_position(),
                run.rotary_cosine, run.rotary_sine, +1, target, stride);
}

Attention::QkvRows Attention::rows(const Run& run, const AttentionPlan& plan) const {
  const int64_t D = options_.D;
  const float* qkv = run.at(plan.qkv);
  const float* q = options_.qk_norm ? run.at(plan.qk) : qkv;
  const int64_t q_stride = options_.qk_norm ? qk_width() : qkv_width();
  QkvRows rows;
  rows.q = {q, q_stride, run.T * q_stride};
  if (run.cache != nullptr) {
    const KvCache& cache = *run.cache;
    rows.S = cache.length + run.T;
    rows.k = {cache.keys + layer_ * cache.layer_stride, cache.row_stride, 0};
    rows.v = {cache.values + layer_ * cache.layer_stride, cache.row_stride, 0};
  } else {
    rows.S = run.T;
    rows.k = {q + options_.H * D, q_stride, run.T * q_stride};
    rows.v = {qkv + qk_width(), qkv_width(), run.T * qkv_width()};
  }
  return rows;
}

void Attention::append_to_cache(const Run& run, const AttentionPlan& plan) const {
  const KvCache& cache = *run.cache;
  CHECK_MSG(run.B == 1 && cache.length + run.T <= cache.capacity, "B={} {}+{} of {}", run.B,
            cache.length, run.T, cache.capacity);
  const int64_t D = options_.D, width = options_.K * D;
  const float* k = (options_.qk_norm ? run.at(plan.qk) : run.at(plan.qkv)) + options_.H * D;
  const int64_t k_stride = options_.qk_norm ? qk_width() : qkv_width();
  const float* v = run.at(plan.qkv) + qk_width();
  const size_t bytes = static_cast<size_t>(width) * sizeof(float);
  for (int64_t t = 0; t < run.T; ++t) {
    const int64_t row = layer_ * cache.layer_stride + (cache.length + t) * cache.row_stride;
    std::memcpy(cache.keys + row, k + t * k_stride, bytes);
    std::memcpy(cache.values + row, v + t * qkv_width(), bytes);
  }
}

void Attention::forward(const Run& run, const Scratch& scratch, const AttentionPlan& plan,
                        const float* x, const float* residual, float* y) const {
  const int64_t N = run.rows(), width = options_.H * options_.D;
  qkv_.forward(run, scratch, N, x, run.at(plan.qkv));
  position_heads(run, plan);
  if (run.cache != nullptr) append_to_cache(run, plan);
  const QkvRows in = rows(run, plan);
  ops::attention_forward(run.context, shape(run, in.S), in.q, in.k, in.v,
                         {run.at(plan.heads), width, run.T * width}, run.at(plan.log_sum_exp),
                         run.at(scratch.attention));
  output_.forward(run, scratch, N, run.at(plan.heads), y, {.residual = residual});
}

void Attention::backward_positions(const Run& run, const Scratch& scratch,
                                   const AttentionPlan& plan) const {
  const int64_t N = run.rows(), D = options_.D;
  float* dqk = options_.qk_norm ? run.at(plan.dqk) : run.at(plan.dqkv);
  const int64_t stride = options_.qk_norm ? qk_width() : qkv_width();
  if (options_.rotary)
    ops::rotary(run.context, N, run.T, options_.H + options_.K, D, 0, run.rotary_cosine,
                run.rotary_sine, -1, dqk, stride);
  if (!options_.qk_norm) return;
  for (int64_t head = 0; head < options_.H + options_.K; ++head) {
    const int64_t gain = head < options_.H ? q_gain_ : k_gain_;
    ops::rms_norm_backward(run.context, N, D, run.at(plan.qkv) + head * D, qkv_width(),
                           run.weights + gain, run.at(plan.qk_rstd) + head * N, dqk + head * D,
                           stride, run.at(plan.dqkv) + head * D, qkv_width(), false,
                           run.gradients + gain, run.at(scratch.reduction));
  }
}

void Attention::backward(const Run& run, const Scratch& scratch, const AttentionPlan& plan,
                         const float* x, const float* dy, float* dheads, float* dx) const {
  const int64_t N = run.rows(), D = options_.D, width = options_.H * D;
  output_.backward(run, scratch, N, run.at(plan.heads), dy, dheads);
  const QkvRows in = rows(run, plan);
  float* dqkv = run.at(plan.dqkv);
  float* dq = options_.qk_norm ? run.at(plan.dqk) : dqkv;
  const int64_t q_stride = in.q.row_stride;
  ops::attention_backward(
      run.context, shape(run, run.T), in.q, in.k, in.v, {run.at(plan.heads), width, run.T * width},
      run.at(plan.log_sum_exp), {dheads, width, run.T * width}, {dq, q_stride, run.T * q_stride},
      {dq + options_.H * D, q_stride, run.T * q_stride},
      {dqkv + qk_width(), qkv_width(), run.T * qkv_width()}, run.at(scratch.attention));
  backward_positions(run, scratch, plan);
  qkv_.backward(run, scratch, N, x, dqkv, dx);
}

int64_t Attention::reduction_floats(int64_t N) const {
  int64_t floats = std::max(qkv_.reduction_floats(N), output_.reduction_floats(N));
  if (options_.qk_norm)
    floats = std::max(floats, static_cast<int64_t>(ops::norm_scratch(N, options_.D)));
  return floats;
}

int64_t Attention::scratch_floats(const ops::Context& context, const PlanShape& shape) const {
  const ops::AttentionShape largest{
      .B = shape.B, .T = shape.T, .S = shape.S, .H = options_.H, .K = options_.K, .D = options_.D};
  return static_cast<int64_t>(ops::attention_scratch(context, largest));
}

}  // namespace cllm::nn
