// The position-wise network: up, activation, down. GELU (tanh form), ReLU^2 (So et al. 2021), or
// SwiGLU (Shazeer 2020) with gate and up in one fused weight [2F, C].
#pragma once

#include <string>
#include <vector>

#include "nn/linear.h"

namespace cllm::nn {

enum class MlpKind { kGelu, kRelu2, kSwiglu };

struct MlpPlan {
  Slot hidden;            // training: [N, F] before the activation, [N, 2F] for SwiGLU
  Slot activation;        // [N, F]
  Slot activation_again;  // Recompute::kCheap: the same, made by the backward
};

struct MlpOptions {
  MlpKind kind = MlpKind::kGelu;
  int64_t C = 0, F = 0;
  bool bias = true;
  double deviation = 0.02;
  double output_deviation = 0.02;  // of the projection back to the residual stream; 0 = zero
};

class Mlp {
 public:
  Mlp() = default;
  // Declares NAME.up.*, NAME.down.*.
  Mlp(ParameterTable& table, const std::string& name, const MlpOptions& options);

  MlpPlan plan(Planner& planner, const std::string& name, const PlanShape& shape) const;
  // Touches what the backward reads; an activation that was not kept is declared again.
  void plan_backward(Planner& planner, const std::string& name, const PlanShape& shape,
                     MlpPlan& plan) const;

  // y [N, C] = finish(mlp(x)): dropout and residual, which may equal y. y null: only what the
  // backward needs.
  void forward(const Run& run, const Scratch& scratch, const MlpPlan& plan, ops::ConstValues x,
               const ops::Epilogue& finish, ops::Values y) const;
  // dx [N, C] = ; parameter gradients +=. Overwrites the plan's buffers and dhidden.
  void backward(const Run& run, const Scratch& scratch, const MlpPlan& plan, ops::ConstValues x,
                ops::ConstValues dy, ops::Values dhidden, ops::Values dx) const;
  // Elements of `dhidden`, the gradient before the activation; SwiGLU writes it over the kept
  // hidden layer.
  int64_t gradient_elements(int64_t N) const {
    return options_.kind == MlpKind::kSwiglu ? 0 : N * options_.F;
  }
  int64_t reduction_floats(int64_t N) const;
  int64_t gemm_floats(const ops::Context& context, const PlanShape& shape) const;
  std::vector<const Linear*> linears() const { return {&up_, &down_}; }

 private:
  int64_t hidden_elements(int64_t N) const { return N * up_.out(); }
  // The activation for the backward: kept, or made again.
  ops::ConstValues activation_of(const Run& run, const MlpPlan& plan) const;

  MlpOptions options_;
  Linear up_, down_;
};

}  // namespace cllm::nn
