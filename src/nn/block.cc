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

BlockPlan Block::plan_forward(Planner& planner, const PlanShape& shape, Slot input) const {
  const int64_t N = shape.rows(), width = N * options_.attention.C;
  BlockPlan plan;
  plan.input = input;
  planner.touch(input);
  plan.attention_norm = attention_norm_.plan(planner, name_ + ".attention_norm", N);
  plan.attention_input = planner.declare(name_ + ".attention_input", width);
  planner.advance();
  planner.touch(plan.attention_input);
  planner.touch(input);
  plan.attention = attention_.plan(planner, name_ + ".attention", shape);
  plan.middle = planner.declare(name_ + ".middle", width);
  planner.advance();
  planner.touch(plan.middle);
  plan.mlp_norm = mlp_norm_.plan(planner, name_ + ".mlp_norm", N);
  plan.mlp_input = planner.declare(name_ + ".mlp_input", width);
  planner.advance();
  planner.touch(plan.mlp_input);
  planner.touch(plan.middle);
  plan.mlp = mlp_.plan(planner, name_ + ".mlp", shape);
  plan.output = planner.declare(name_ + ".output", width);
  planner.advance();
  return plan;
}

void Block::plan_backward(Planner& planner, const PlanShape& shape, Slot dx,
                          BlockPlan& plan) const {
  const int64_t N = shape.rows(), width = N * options_.attention.C;
  planner.touch(dx);
  if (options_.dropout > 0) plan.mlp_dbranch = planner.declare(name_ + ".mlp_dbranch", width);
  plan.mlp_dhidden = planner.declare(name_ + ".mlp_dhidden", mlp_.gradient_floats(N));
  plan.mlp_dinput = planner.declare(name_ + ".mlp_dinput", width);
  mlp_.touch(planner, plan.mlp);
  planner.touch(plan.mlp_input);
  planner.advance();

  planner.touch(plan.mlp_dinput);
  planner.touch(plan.middle);
  mlp_norm_.touch(planner, plan.mlp_norm);
  planner.advance();

  if (options_.dropout > 0)
    plan.attention_dbranch = planner.declare(name_ + ".attention_dbranch", width);
  plan.attention_dheads = planner.declare(name_ + ".attention_dheads", attention_.heads_floats(N));
  plan.attention_dinput = planner.declare(name_ + ".attention_dinput", width);
  attention_.plan_backward(planner, name_ + ".attention", shape, plan.attention);
  planner.touch(plan.attention_input);
  planner.advance();

  planner.touch(plan.attention_dinput);
  planner.touch(plan.input);
  attention_norm_.touch(planner, plan.attention_norm);
  planner.touch(dx);
  planner.advance();
}

void Block::finish_branch(const Run& run, uint32_t site, const float* x, float* y) const {
  const int64_t count = run.rows() * options_.attention.C;
  ops::dropout(run.context, count, options_.dropout, run.dropout_key(4 * layer_ + site), y, y);
  ops::add(run.context, count, x, y, y);
}

const float* Block::branch_gradient(const Run& run, uint32_t site, const float* dx,
                                    float* buffer) const {
  if (!drops(run)) return dx;
  ops::dropout(run.context, run.rows() * options_.attention.C, options_.dropout,
               run.dropout_key(4 * layer_ + site), dx, buffer);
  return buffer;
}

void Block::forward(const Run& run, const Scratch& scratch, const BlockPlan& plan) const {
  const int64_t N = run.rows();
  const float* x = run.at(plan.input);
  float* middle = run.at(plan.middle);
  float* y = run.at(plan.output);
  attention_norm_.forward(run, plan.attention_norm, N, x, run.at(plan.attention_input));
  attention_.forward(run, scratch, plan.attention, run.at(plan.attention_input),
                     drops(run) ? nullptr : x, middle);
  if (drops(run)) finish_branch(run, kAttentionBranch, x, middle);
  mlp_norm_.forward(run, plan.mlp_norm, N, middle, run.at(plan.mlp_input));
  mlp_.forward(run, scratch, plan.mlp, run.at(plan.mlp_input), drops(run) ? nullptr : middle, y);
  if (drops(run)) finish_branch(run, kMlpBranch, middle, y);
}

void Block::backward(const Run& run, const Scratch& scratch, const BlockPlan& plan,
                     float* dx) const {
  const int64_t N = run.rows();
  const float* dmlp = branch_gradient(run, kMlpBranch, dx, run.at(plan.mlp_dbranch));
  mlp_.backward(run, scratch, plan.mlp, run.at(plan.mlp_input), dmlp, run.at(plan.mlp_dhidden),
                run.at(plan.mlp_dinput));
  mlp_norm_.backward(run, scratch, plan.mlp_norm, N, run.at(plan.middle), run.at(plan.mlp_dinput),
                     dx);
  const float* dattention =
      branch_gradient(run, kAttentionBranch, dx, run.at(plan.attention_dbranch));
  attention_.backward(run, scratch, plan.attention, run.at(plan.attention_input), dattention,
                      run.at(plan.attention_dheads), run.at(plan.attention_dinput));
  attention_norm_.backward(run, scratch, plan.attention_norm, N, run.at(plan.input),
                           run.at(plan.attention_dinput), dx);
}

int64_t Block::reduction_floats(int64_t N) const {
  return std::max({attention_norm_.reduction_floats(N), attention_.reduction_floats(N),
                   mlp_norm_.reduction_floats(N), mlp_.reduction_floats(N)});
}

}  // namespace cllm::nn
