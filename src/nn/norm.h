// LayerNorm (gain and optional bias) or RMSNorm (gain) over rows of width C.
#pragma once

#include <string>

#include "nn/run.h"

namespace cllm::nn {

enum class NormKind { kLayerNorm, kRmsNorm };

// Statistics kept for the backward.
struct NormPlan {
  Slot mean, rstd;  // [N]; mean only for LayerNorm
};

class Norm {
 public:
  Norm() = default;
  // Declares NAME.gain [C] (one) and, for LayerNorm with bias, NAME.bias [C] (zero).
  Norm(ParameterTable& table, const std::string& name, NormKind kind, int64_t C, float epsilon,
       bool bias);

  NormPlan plan(Planner& planner, const std::string& name, int64_t N) const;
  void touch(Planner& planner, const NormPlan& plan) const;

  // y [N, C] = norm(x)
  void forward(const Run& run, const NormPlan& plan, int64_t N, ops::ConstValues x,
               ops::Values y) const;
  // dx [N, C] +=, gain and bias gradients +=
  void backward(const Run& run, const Scratch& scratch, const NormPlan& plan, int64_t N,
                ops::ConstValues x, ops::ConstValues dy, ops::Values dx) const;
  int64_t reduction_floats(int64_t N) const;

 private:
  NormKind kind_ = NormKind::kLayerNorm;
  int64_t C_ = 0;
  float epsilon_ = 0;
  int64_t gain_ = -1, bias_ = -1;
};

}  // namespace cllm::nn
