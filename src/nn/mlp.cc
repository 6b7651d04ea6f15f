#include "nn/mlp.h"

#include <algorithm>

#include "ops/elementwise.h"

namespace cllm::nn {
namespace {

ops::Activation forward_activation(MlpKind kind) {
  if (kind == MlpKind::kSwiglu) return ops::Activation::kSwiglu;
  return kind == MlpKind::kGelu ? ops::Activation::kGelu : ops::Activation::kRelu2;
}

ops::Activation backward_activation(MlpKind kind) {
  if (kind == MlpKind::kSwiglu) return ops::Activation::kSwigluBackward;
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
  // The product applies the activation; only the backward asks what was before it.
  if (shape.training)
    plan.hidden = shape.declare(planner, name + ".hidden", hidden_elements(shape.rows()));
  plan.activation = shape.declare(planner, name + ".activation", shape.rows() * options_.F);
  return plan;
}

void Mlp::plan_backward(Planner& planner, const std::string& name, const PlanShape& shape,
                        MlpPlan& plan) const {
  planner.touch(plan.hidden);
  if (shape.recompute == Recompute::kCheap)
    plan.activation_again =
        shape.declare(planner, name + ".activation_again", shape.rows() * options_.F);
  else
    planner.touch(plan.activation);
}

void Mlp::forward(const Run& run, const Scratch& scratch, const MlpPlan& plan, ops::ConstValues x,
                  const ops::Epilogue& finish, ops::Values y) const {
  const int64_t N = run.rows();
  const ops::Values activation = run.values(plan.activation);
  ops::Epilogue finish_up{.activation = forward_activation(options_.kind)};
  // Half of what an evaluation would write, for nobody.
  if (run.training) finish_up.auxiliary = run.values(plan.hidden);
  up_.forward(run, scratch, N, x, activation, finish_up);
  if (y) down_.forward(run, scratch, N, activation, y, finish);
}

ops::ConstValues Mlp::activation_of(const Run& run, const MlpPlan& plan) const {
  if (!plan.activation_again.valid()) return run.values(plan.activation);
  const int64_t N = run.rows();
  const ops::Values again = run.values(plan.activation_again);
  if (options_.kind == MlpKind::kSwiglu)
    ops::swiglu_forward(run.context, N, options_.F, run.values(plan.hidden), again);
  else
    ops::activate(run.context, N * options_.F, forward_activation(options_.kind),
                  run.values(plan.hidden), again);
  return again;
}

void Mlp::backward(const Run& run, const Scratch& scratch, const MlpPlan& plan, ops::ConstValues x,
                   ops::ConstValues dy, ops::Values dhidden, ops::Values dx) const {
  const int64_t N = run.rows();
  const ops::Values hidden = run.values(plan.hidden);
  const ops::ConstValues activation = activation_of(run, plan);
  // Of SwiGLU the gradient takes the place of the kept hidden layer, element by element.
  const ops::Values before = options_.kind == MlpKind::kSwiglu ? hidden : dhidden;
  down_.backward(run, scratch, N, activation, dy, before,
                 {.activation = backward_activation(options_.kind), .auxiliary = hidden});
  up_.backward(run, scratch, N, x, before, dx);
}

int64_t Mlp::reduction_floats(int64_t N) const {
  return std::max(up_.reduction_floats(N), down_.reduction_floats(N));
}

int64_t Mlp::gemm_floats(const ops::Context& context, const PlanShape& shape) const {
  const int64_t N = shape.rows();
  return std::max(up_.gemm_floats(context, shape, N, forward_activation(options_.kind)),
                  down_.gemm_floats(context, shape, N, ops::Activation::kNone,
                                    backward_activation(options_.kind)));
}

}  // namespace cllm::nn
