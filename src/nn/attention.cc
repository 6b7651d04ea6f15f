#include "nn/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/check.h"
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
  plan.qkv = shape.declare(planner, name + ".qkv", N * qkv_width());
  if (options_.qk_norm) {
    plan.qk = shape.declare(planner, name + ".qk", N * qk_width());
    plan.qk_rstd = planner.declare(name + ".qk_rstd", N * (options_.H + options_.K));
  }
  plan.heads = shape.declare(planner, name + ".heads", heads_elements(N));
  if (shape.training) plan.log_sum_exp = planner.declare(name + ".log_sum_exp", N * options_.H);
  return plan;
}

void Attention::plan_backward(Planner& planner, const std::string& name, const PlanShape& shape,
                              AttentionPlan& plan) const {
  const int64_t N = shape.rows();
  plan.dqkv = shape.declare(planner, name + ".dqkv", N * qkv_width());
  if (options_.qk_norm) plan.dqk = shape.declare(planner, name + ".dqk", N * qk_width());
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

ops::QkNormShape Attention::qk_norm_shape(const Run& run, int64_t rows,
                                          int64_t first_position) const {
  return {.N = rows,
          .T = run.T,
          .H = options_.H,
          .K = options_.K,
          .D = options_.D,
          .epsilon = options_.qk_norm_epsilon,
          .first_position = first_position,
          .cosine = options_.rotary ? run.rotary_cosine : nullptr,
          .sine = options_.rotary ? run.rotary_sine : nullptr};
}

void Attention::position_rows(const Run& run, const AttentionPlan& plan, int64_t row, int64_t rows,
                              int64_t first_position) const {
  const ops::Values qkv = run.values(plan.qkv) + row * qkv_width();
  if (options_.qk_norm)
    ops::qk_norm_forward(run.context, qk_norm_shape(run, rows, first_position), qkv, qkv_width(),
                         run.weights + q_gain_, run.weights + k_gain_,
                         run.values(plan.qk) + row * qk_width(), qk_width(),
                         run.at(plan.qk_rstd) + row * (options_.H + options_.K));
  else if (options_.rotary)
    ops::rotary(run.context, rows, run.T, options_.H + options_.K, options_.D, first_position,
                run.rotary_cosine, run.rotary_sine, +1, qkv, qkv_width());
}

void Attention::position_heads(const Run& run, const AttentionPlan& plan) const {
  if (run.caches.empty()) return position_rows(run, plan, 0, run.rows(), 0);
  int64_t row = 0;
  for (const KvCache& cache : run.caches) {
    position_rows(run, plan, row, run.T, cache.length);
    row += run.T;
  }
}

Attention::QkvRows Attention::rows(const Run& run, const AttentionPlan& plan) const {
  const int64_t D = options_.D;
  const ops::ConstValues qkv = run.values(plan.qkv);
  const ops::ConstValues q = options_.qk_norm ? run.values(plan.qk) : run.values(plan.qkv);
  const int64_t q_stride = options_.qk_norm ? qk_width() : qkv_width();
  QkvRows rows;
  rows.q = {q, q_stride, run.T * q_stride};
  if (!run.caches.empty()) {
    const KvCache& cache = run.caches.front();
    rows.S = cache.length + run.T;
    CHECK(run.storage == ops::Storage::kFp32);
    rows.k = {cache.keys + layer_ * cache.layer_stride, cache.row_stride, 0};
    rows.v = {cache.values + layer_ * cache.layer_stride, cache.row_stride, 0};
  } else {
    rows.S = run.T;
    rows.k = {q + options_.H * D, q_stride, run.T * q_stride};
    rows.v = {qkv + qk_width(), qkv_width(), run.T * qkv_width()};
  }
  return rows;
}

void Attention::append_to_cache(const Run& run, const AttentionPlan& plan, int64_t sequence) const {
  const KvCache& cache = run.caches[static_cast<size_t>(sequence)];
  CHECK_MSG(cache.length + run.T <= cache.capacity, "{}+{} of {}", cache.length, run.T,
            cache.capacity);
  const int64_t D = options_.D, width = options_.K * D;
  const float* k = (options_.qk_norm ? run.at(plan.qk) : run.at(plan.qkv)) + options_.H * D;
  const int64_t k_stride = options_.qk_norm ? qk_width() : qkv_width();
  const float* v = run.at(plan.qkv) + qk_width();
  const size_t bytes = static_cast<size_t>(width) * sizeof(float);
  for (int64_t t = 0; t < run.T; ++t) {
    const int64_t row = layer_ * cache.layer_stride + (cache.length + t) * cache.row_stride;
    const int64_t n = sequence * run.T + t;
    std::memcpy(cache.keys + row, k + n * k_stride, bytes);
    std::memcpy(cache.values + row, v + n * qkv_width(), bytes);
  }
}

void Attention::attend_caches(const Run& run, const AttentionPlan& plan) const {
  std::array<ops::CachedRows, ops::kDecodeRows> sequences;
  for (size_t b = 0; b < run.caches.size(); ++b) {
    const KvCache& cache = run.caches[b];
    const int64_t layer = layer_ * cache.layer_stride;
    sequences[b] = {cache.keys + layer, cache.values + layer, cache.row_stride, cache.length + 1};
  }
  ops::attend_cached(
      run.context,
      {.H = options_.H, .K = options_.K, .D = options_.D, .scale = shape(run, 1).scale},
      options_.qk_norm ? run.at(plan.qk) : run.at(plan.qkv),
      options_.qk_norm ? qk_width() : qkv_width(), std::span(sequences).first(run.caches.size()),
      run.at(plan.heads));
}

void Attention::forward(const Run& run, const Scratch& scratch, const AttentionPlan& plan,
                        ops::ConstValues x, const ops::Epilogue& finish, ops::Values y) const {
  const int64_t N = run.rows(), width = options_.H * options_.D;
  qkv_.forward(run, scratch, N, x, run.values(plan.qkv));
  position_heads(run, plan);
  const auto sequences = static_cast<int64_t>(run.caches.size());
  CHECK_MSG(sequences == 0 ||
                (sequences == run.B && (run.B == 1 || run.T == 1) && sequences <= ops::kDecodeRows),
            "{} caches, B={} T={}", sequences, run.B, run.T);
  for (int64_t b = 0; b < sequences; ++b)
    append_to_cache(run, plan, b);
  if (sequences > 0 && run.T == 1) {
    attend_caches(run, plan);
  } else {
    const QkvRows in = rows(run, plan);
    ops::attention_forward(run.context, shape(run, in.S), in.q, in.k, in.v,
                           {run.values(plan.heads), width, run.T * width}, run.at(plan.log_sum_exp),
                           run.at(scratch.attention));
  }
  output_.forward(run, scratch, N, run.values(plan.heads), y, finish);
}

void Attention::backward_positions(const Run& run, const Scratch& scratch,
                                   const AttentionPlan& plan) const {
  if (options_.qk_norm)
    ops::qk_norm_backward(run.context, qk_norm_shape(run, run.rows(), 0), run.values(plan.qkv),
                          qkv_width(), run.weights + q_gain_, run.weights + k_gain_,
                          run.at(plan.qk_rstd), run.values(plan.dqk), qk_width(),
                          run.values(plan.dqkv), qkv_width(), run.gradients + q_gain_,
                          run.gradients + k_gain_, run.at(scratch.reduction));
  else if (options_.rotary)
    ops::rotary(run.context, run.rows(), run.T, options_.H + options_.K, options_.D, 0,
                run.rotary_cosine, run.rotary_sine, -1, run.values(plan.dqkv), qkv_width());
}

void Attention::backward(const Run& run, const Scratch& scratch, const AttentionPlan& plan,
                         ops::ConstValues x, ops::ConstValues dy, ops::Values dheads,
                         ops::Values dx) const {
  const int64_t N = run.rows(), D = options_.D, width = options_.H * D;
  output_.backward(run, scratch, N, run.values(plan.heads), dy, dheads);
  const QkvRows in = rows(run, plan);
  const ops::Values dqkv = run.values(plan.dqkv);
  const ops::Values dq = options_.qk_norm ? run.values(plan.dqk) : dqkv;
  const int64_t q_stride = in.q.row_stride;
  ops::attention_backward(run.context, shape(run, run.T), in.q, in.k, in.v,
                          {run.values(plan.heads), width, run.T * width}, run.at(plan.log_sum_exp),
                          {dheads, width, run.T * width}, {dq, q_stride, run.T * q_stride},
                          {dq + options_.H * D, q_stride, run.T * q_stride},
                          {dqkv + qk_width(), qkv_width(), run.T * qkv_width()},
                          run.at(scratch.attention));
  backward_positions(run, scratch, plan);
  qkv_.backward(run, scratch, N, x, dqkv, dx);
}

int64_t Attention::reduction_floats(int64_t N) const {
  int64_t floats = std::max(qkv_.reduction_floats(N), output_.reduction_floats(N));
  if (options_.qk_norm) floats = std::max(floats, ops::qk_norm_scratch(N, options_.D));
  return floats;
}

int64_t Attention::gemm_floats(const ops::Context& context, const PlanShape& shape) const {
  return std::max(qkv_.gemm_floats(context, shape, shape.rows()),
                  output_.gemm_floats(context, shape, shape.rows()));
}

int64_t Attention::scratch_floats(const ops::Context& context, const PlanShape& shape) const {
  const ops::AttentionShape largest{
      .B = shape.B, .T = shape.T, .S = shape.S, .H = options_.H, .K = options_.K, .D = options_.D};
  return static_cast<int64_t>(ops::attention_scratch(context, largest, shape.storage));
}

}  // namespace cllm::nn
