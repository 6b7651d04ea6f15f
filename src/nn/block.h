// A pre-norm transformer block: x_mid = x + dropout(attention(norm(x))), y = x_mid +
// dropout(mlp(norm(x_mid))).
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "nn/attention.h"
#include "nn/mlp.h"
#include "nn/norm.h"

namespace cllm::nn {

struct BlockOptions {
  NormKind norm = NormKind::kLayerNorm;
  float norm_epsilon = 1e-5f;
  bool norm_bias = true;
  float dropout = 0;  // on both residual branches
  AttentionOptions attention;
  MlpOptions mlp;
};

struct BlockPlan {
  Slot input;            // [N, C]: the previous block's output
  Slot attention_input;  // [N, C] norm(x)
  Slot middle;           // [N, C]
  Slot mlp_input;        // [N, C] norm(x_mid)
  Slot output;           // [N, C]
  NormPlan attention_norm, mlp_norm;
  AttentionPlan attention;
  MlpPlan mlp;
  // Backward: gradient of a branch's output behind its dropout, of its hidden layer, of its input.
  // Recompute::kCheap: the norms' outputs, made again by the backward.
  Slot attention_input_again, mlp_input_again;
  Slot mlp_dbranch, mlp_dhidden, mlp_dinput;
  Slot attention_dbranch, attention_dheads, attention_dinput;
};

class Block {
 public:
  Block(ParameterTable& table, const std::string& name, const BlockOptions& options,
        uint32_t layer);

  const BlockOptions& options() const { return options_; }

  // Declares the block's buffers in the order of forward(); input is the slot of x. Without output
  // forward() stops at what the backward reads.
  BlockPlan plan_forward(Planner& planner, const PlanShape& shape, Slot input,
                         bool output = true) const;
  // Continues with the buffers of backward(); dx is the slot of the residual stream's gradient.
  void plan_backward(Planner& planner, const PlanShape& shape, Slot dx, BlockPlan& plan) const;

  // plan.output = block(plan.input)
  void forward(const Run& run, const Scratch& scratch, const BlockPlan& plan) const;
  // dx [N, C] holds the gradient of plan.output and becomes that of plan.input. Parameter gradients
  // +=.
  void backward(const Run& run, const Scratch& scratch, const BlockPlan& plan,
                ops::Values dx) const;

  int64_t reduction_floats(int64_t N) const;
  int64_t gemm_floats(const ops::Context& context, const PlanShape& shape) const {
    return std::max(attention_.gemm_floats(context, shape), mlp_.gemm_floats(context, shape));
  }
  // In the order of forward().
  std::vector<const Linear*> linears() const;
  int64_t attention_floats(const ops::Context& context, const PlanShape& shape) const {
    return attention_.scratch_floats(context, shape);
  }

 private:
  bool drops(const Run& run) const { return run.training && options_.dropout > 0; }
  // How a branch returns to the residual stream x: x + dropout(branch).
  ops::Epilogue join(const Run& run, uint32_t site, ops::ConstValues x) const;
  // The gradient behind the branch's dropout: dx itself, or dropout(dx) in `buffer`.
  ops::ConstValues branch_gradient(const Run& run, uint32_t site, ops::ConstValues dx,
                                   ops::Values buffer) const;

  std::string name_;
  BlockOptions options_;
  uint32_t layer_;
  Norm attention_norm_;
  Attention attention_;
  Norm mlp_norm_;
  Mlp mlp_;
};

}  // namespace cllm::nn
