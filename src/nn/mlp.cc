#include "nn/mlp.h"

#include <algorithm>

#include "ops/elementwise.h"

namespace cllm::nn {
namespace {

ops::Activation forward_activation(MlpKind kind) {
  return kind == MlpKind::kGelu ? ops::Activation::kGelu : ops::Activation::kRelu2;
}

ops::Activation backward_activation(MlpKind kind) {
  return kind == MlpKind::kGelu ? ops::Activation::kGeluBackward : ops::Activation::kRelu2Backward;
}

}  // namespace

Mlp::Mlp(ParameterTable& table, const std::string& name, const MlpOptions& options)
    : options_(options),
      up_(table, name + ".up", options.C,
          options.kind == MlpKind::kSwiglu ? 2 * options.F : options.F, options.bias,
          options.deviation),
      down_(table, name + ".down", options.F, options.C, options.bias, options.output_deviation) {}

MlpPlan Mlp::plan(Planner& planner, const std::string& name, const PlanShape& shape) const {
  MlpPlan plan;
  // Without a backward only SwiGLU needs the hidden layer: the others apply the activation in the
  // product.
  if (shape.training || options_.kind == MlpKind::kSwiglu)
    plan.hidden = planner.declare(name + ".hidden", hidden_floats(shape.rows()));
  plan.activation = planner.declare(name + ".activation", shape.rows() * options_.F);
  return plan;
}

void Mlp::touch(Planner& planner, const MlpPlan& plan) const {
  planner.touch(plan.hidden);
  planner.touch(plan.activation);
}

void Mlp::forward(const Run& run, const Scratch& scratch, const MlpPlan& plan, const float* x,
                  const float* residual, float* y) const {
  const int64_t N = run.rows();
  float* hidden = run.at(plan.hidden);
  float* activation = run.at(plan.activation);
  if (options_.kind == MlpKind::kSwiglu) {
    up_.forward(run, scratch, N, x, hidden);
    ops::swiglu_forward(run.context, N, options_.F, hidden, activation);
  } else {
    up_.forward(run, scratch, N, x, activation,
                {.activation = forward_activation(options_.kind), .auxiliary = hidden});
  }
  down_.forward(run, scratch, N, activation, y, {.residual = residual});
}

void Mlp::backward(const Run& run, const Scratch& scratch, const MlpPlan& plan, const float* x,
                   const float* dy, float* dhidden, float* dx) const {
  const int64_t N = run.rows();
  float* hidden = run.at(plan.hidden);
  float* activation = run.at(plan.activation);
  if (options_.kind == MlpKind::kSwiglu) {
    // The product's gradient goes to the front of dhidden; swiglu_backward then overwrites the kept
    // hidden layer, whose values it consumes row by row.
    down_.backward(run, scratch, N, activation, dy, dhidden);
    ops::swiglu_backward(run.context, N, options_.F, hidden, dhidden, hidden);
    up_.backward(run, scratch, N, x, hidden, dx);
  } else {
    down_.backward(run, scratch, N, activation, dy, dhidden,
                   {.activation = backward_activation(options_.kind), .auxiliary = hidden});
    up_.backward(run, scratch, N, x, dhidden, dx);
  }
}

int64_t Mlp::reduction_floats(int64_t N) const {
  return std::max(up_.reduction_floats(N), down_.reduction_floats(N));
}

}  // namespace cllm::nn
