// The position-wise network: up, activation, down. GELU (tanh form), ReLU^2 (So et al. 2021), or
// SwiGLU (Shazeer 2020) with gate and up in one fused weight [2F, C].
#pragma once

#include <string>

#include "nn/linear.h"

namespace cllm::nn {

enum class MlpKind { kGelu, kRelu2, kSwiglu };

struct MlpPlan {
  Slot hidden;      // training: [N, F] before the activation, [N, 2F] for SwiGLU
  Slot activation;  // [N, F]
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
  void touch(Planner& planner, const MlpPlan& plan) const;

  // y [N, C] = mlp(x) (+ residual if not null; residual may equal y).
  void forward(const Run& run, const Scratch& scratch, const MlpPlan& plan, const float* x,
               const float* residual, float* y) const;
  // dx [N, C] = ; parameter gradients +=. Overwrites the plan's buffers and dhidden [N, F].
  void backward(const Run& run, const Scratch& scratch, const MlpPlan& plan, const float* x,
                const float* dy, float* dhidden, float* dx) const;
  // Floats of `dhidden`, the gradient behind (SwiGLU) or before the activation.
  int64_t gradient_floats(int64_t N) const { return N * options_.F; }
  int64_t reduction_floats(int64_t N) const;

 private:
  int64_t hidden_floats(int64_t N) const { return N * up_.out(); }

  MlpOptions options_;
  Linear up_, down_;
};

}  // namespace cllm::nn
