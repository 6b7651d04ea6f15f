#include "nn/block.h"

#include <algorithm>

#include "ops/elementwise.h"

namespace cllm::nn {
namespace {

// Dropout sites of layer l are 4l (probabilities), 4l + 1 (attention branch) and 4l + 2 (MLP
// branch).
constexpr uint32_t kAttentionBranch = 1;
constexpr uint32_t kMlpBranch = 2;

}  // namespace

Block::Block(ParameterTable& table, const std::string& name, const BlockOptions& options,
             uint32_t layer)
    : name_(name), options_(options), layer_(layer) {
  const int64_t C = options.attention.C;
  attention_norm_ = Norm(table, name + ".attention_norm", options.norm, C, options.norm_epsilon,
                         options.norm_bias);
  attention_ = Attention(table, name + ".attention", options.attention, layer);
  mlp_norm_ =
      Norm(table, name + ".mlp_norm", options.norm, C, options.norm_epsilon, options.norm_bias);
  mlp_ = Mlp(table, name + ".mlp", options.mlp);
}

BlockPlan Block::plan_forward(Planner& planner, const PlanShape& shape, Slot input,
                              bool output) const {
  const int64_t N = shape.rows(), width = N * options_.attention.C;
  BlockPlan plan;
  plan.input = input;
  planner.touch(input);
  plan.attention_norm = attention_norm_.plan(planner, name_ + ".attention_norm", N);
  plan.attention_input = shape.declare(planner, name_ + ".attention_input", width);
  planner.advance();
  planner.touch(plan.attention_input);
  planner.touch(input);
  plan.attention = attention_.plan(planner, name_ + ".attention", shape);
  plan.middle = shape.declare(planner, name_ + ".middle", width);
  planner.advance();
  planner.touch(plan.middle);
  plan.mlp_norm = mlp_norm_.plan(planner, name_ + ".mlp_norm", N);
  plan.mlp_input = shape.declare(planner, name_ + ".mlp_input", width);
  planner.advance();
  planner.touch(plan.mlp_input);
  planner.touch(plan.middle);
  plan.mlp = mlp_.plan(planner, name_ + ".mlp", shape);
  if (output) plan.output = shape.declare(planner, name_ + ".output", width);
  planner.advance();
  return plan;
}

void Block::plan_backward(Planner& planner, const PlanShape& shape, Slot dx,
                          BlockPlan& plan) const {
  const int64_t N = shape.rows(), width = N * options_.attention.C;
  const auto declare = [&](const char* name, int64_t elements) {
    return shape.declare(planner, name_ + name, elements);
  };
  const bool again = shape.recompute == Recompute::kCheap;
  planner.touch(dx);
  if (options_.dropout > 0) plan.mlp_dbranch = declare(".mlp_dbranch", width);
  plan.mlp_dhidden = declare(".mlp_dhidden", mlp_.gradient_elements(N));
  plan.mlp_dinput = declare(".mlp_dinput", width);
  if (again) plan.mlp_input_again = declare(".mlp_input_again", width);
  mlp_.plan_backward(planner, name_ + ".mlp", shape, plan.mlp);
  if (!again) planner.touch(plan.mlp_input);
  planner.touch(plan.middle);
  planner.advance();

  planner.touch(plan.mlp_dinput);
  planner.touch(plan.middle);
  mlp_norm_.touch(planner, plan.mlp_norm);
  planner.advance();

  if (options_.dropout > 0) plan.attention_dbranch = declare(".attention_dbranch", width);
  plan.attention_dheads = declare(".attention_dheads", attention_.heads_elements(N));
  plan.attention_dinput = declare(".attention_dinput", width);
  if (again) plan.attention_input_again = declare(".attention_input_again", width);
  attention_.plan_backward(planner, name_ + ".attention", shape, plan.attention);
  if (!again) planner.touch(plan.attention_input);
  planner.touch(plan.input);
  planner.advance();

  planner.touch(plan.attention_dinput);
  planner.touch(plan.input);
  attention_norm_.touch(planner, plan.attention_norm);
  planner.touch(dx);
  planner.advance();
}

ops::Epilogue Block::join(const Run& run, uint32_t site, ops::ConstValues x) const {
  ops::Epilogue finish{.residual = x};
  if (drops(run)) finish.dropout = options_.dropout;
  finish.dropout_key = run.dropout_key(4 * layer_ + site);
  return finish;
}

ops::ConstValues Block::branch_gradient(const Run& run, uint32_t site, ops::ConstValues dx,
                                        ops::Values buffer) const {
  if (!drops(run)) return dx;
  ops::dropout(run.context, run.rows() * options_.attention.C, options_.dropout,
               run.dropout_key(4 * layer_ + site), dx, buffer);
  return buffer;
}

void Block::forward(const Run& run, const Scratch& scratch, const BlockPlan& plan) const {
  const int64_t N = run.rows();
  const ops::ConstValues x = run.values(plan.input);
  const ops::Values middle = run.values(plan.middle);
  attention_norm_.forward(run, plan.attention_norm, N, x, run.values(plan.attention_input));
  attention_.forward(run, scratch, plan.attention, run.values(plan.attention_input),
                     join(run, kAttentionBranch, x), middle);
  mlp_norm_.forward(run, plan.mlp_norm, N, middle, run.values(plan.mlp_input));
  mlp_.forward(run, scratch, plan.mlp, run.values(plan.mlp_input), join(run, kMlpBranch, middle),
               run.values(plan.output));
}

void Block::backward(const Run& run, const Scratch& scratch, const BlockPlan& plan,
                     ops::Values dx) const {
  const int64_t N = run.rows();
  const auto normal = [&](const Norm& norm, const NormPlan& norm_plan, Slot x, Slot kept,
                          Slot again) {
    if (!again.valid()) return run.values(kept);
    norm.forward(run, norm_plan, N, run.values(x), run.values(again));
    return run.values(again);
  };
  const ops::ConstValues dmlp = branch_gradient(run, kMlpBranch, dx, run.values(plan.mlp_dbranch));
  const ops::ConstValues mlp_input =
      normal(mlp_norm_, plan.mlp_norm, plan.middle, plan.mlp_input, plan.mlp_input_again);
  mlp_.backward(run, scratch, plan.mlp, mlp_input, dmlp, run.values(plan.mlp_dhidden),
                run.values(plan.mlp_dinput));
  mlp_norm_.backward(run, scratch, plan.mlp_norm, N, run.values(plan.middle),
                     run.values(plan.mlp_dinput), dx);
  const ops::ConstValues dattention =
      branch_gradient(run, kAttentionBranch, dx, run.values(plan.attention_dbranch));
  const ops::ConstValues attention_input = normal(attention_norm_, plan.attention_norm, plan.input,
                                                  plan.attention_input, plan.attention_input_again);
  attention_.backward(run, scratch, plan.attention, attention_input, dattention,
                      run.values(plan.attention_dheads), run.values(plan.attention_dinput));
  attention_norm_.backward(run, scratch, plan.attention_norm, N, run.values(plan.input),
                           run.values(plan.attention_dinput), dx);
}

std::vector<const Linear*> Block::linears() const {
  std::vector<const Linear*> linears = attention_.linears();
  for (const Linear* linear : mlp_.linears())
    linears.push_back(linear);
  return linears;
}

int64_t Block::reduction_floats(int64_t N) const {
  return std::max({attention_norm_.reduction_floats(N), attention_.reduction_floats(N),
                   mlp_norm_.reduction_floats(N), mlp_.reduction_floats(N)});
}

}  // namespace cllm::nn
