#include "nn/norm.h"

#include "ops/norm.h"

namespace cllm::nn {

Norm::Norm(ParameterTable& table, const std::string& name, NormKind kind, int64_t C, float epsilon,
           bool bias)
    : kind_(kind), C_(C), epsilon_(epsilon) {
  gain_ = table.at(table.add(name + ".gain", {C}, Initial::kOne)).offset;
  if (bias && kind == NormKind::kLayerNorm)
    bias_ = table.at(table.add(name + ".bias", {C}, Initial::kZero)).offset;
}

NormPlan Norm::plan(Planner& planner, const std::string& name, int64_t N) const {
  NormPlan plan;
  if (kind_ == NormKind::kLayerNorm) plan.mean = planner.declare(name + ".mean", N);
  plan.rstd = planner.declare(name + ".rstd", N);
  return plan;
}

void Norm::touch(Planner& planner, const NormPlan& plan) const {
  planner.touch(plan.mean);
  planner.touch(plan.rstd);
}

void Norm::forward(const Run& run, const NormPlan& plan, int64_t N, ops::ConstValues x,
                   ops::Values y) const {
  const float* gain = run.weights + gain_;
  if (kind_ == NormKind::kRmsNorm) {
    ops::rms_norm_forward(run.context, N, C_, epsilon_, x, C_, gain, y, C_, run.at(plan.rstd));
  } else {
    const float* bias = bias_ >= 0 ? run.weights + bias_ : nullptr;
    ops::layer_norm_forward(run.context, N, C_, epsilon_, x, gain, bias, y, run.at(plan.mean),
                            run.at(plan.rstd));
  }
}

void Norm::backward(const Run& run, const Scratch& scratch, const NormPlan& plan, int64_t N,
                    ops::ConstValues x, ops::ConstValues dy, ops::Values dx) const {
  const float* gain = run.weights + gain_;
  float* dgain = run.gradients + gain_;
  if (kind_ == NormKind::kRmsNorm) {
    ops::rms_norm_backward(run.context, N, C_, x, C_, gain, run.at(plan.rstd), dy, C_, dx, C_, true,
                           dgain, run.at(scratch.reduction));
  } else {
    float* dbias = bias_ >= 0 ? run.gradients + bias_ : nullptr;
    ops::layer_norm_backward(run.context, N, C_, x, gain, run.at(plan.mean), run.at(plan.rstd), dy,
                             dx, dgain, dbias, run.at(scratch.reduction));
  }
}

int64_t Norm::reduction_floats(int64_t N) const {
  return static_cast<int64_t>(ops::norm_scratch(N, C_));
}

}  // namespace cllm::nn
