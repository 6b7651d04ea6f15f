// Causal self-attention: one fused projection to [q heads | k heads | v heads], optional RMS norm
// of each q and k head (QK-norm, Henry et al. 2020), optional rotary positions, grouped KV heads,
// output projection.
#pragma once

#include <string>
#include <vector>

#include "nn/linear.h"
#include "ops/qk_norm.h"

namespace cllm::nn {

struct AttentionOptions {
  int64_t C = 0, H = 0, K = 0, D = 0;
  bool bias = true;
  bool rotary = false;
  bool qk_norm = false;
  float qk_norm_epsilon = 1e-6f;
  float dropout = 0;  // on the probabilities
  double deviation = 0.02;
  double output_deviation = 0.02;  // of the output projection; 0 = zero
};

struct AttentionPlan {
  Slot qkv;          // [N, (H + 2K) D]; q and k rotated in place unless qk_norm
  Slot qk;           // qk_norm: [N, (H + K) D] normalised and rotated
  Slot qk_rstd;      // qk_norm: [N, H + K]
  Slot heads;        // [N, H D] output of the heads
  Slot log_sum_exp;  // [B, H, T], training
  Slot dqkv, dqk;    // backward
};

class Attention {
 public:
  Attention() = default;
  // Declares NAME.qkv.*, NAME.q_norm.gain, NAME.k_norm.gain, NAME.output.*.
  Attention(ParameterTable& table, const std::string& name, const AttentionOptions& options,
            uint32_t layer);

  AttentionPlan plan(Planner& planner, const std::string& name, const PlanShape& shape) const;
  // Declares the gradients' buffers and touches what the backward reads.
  void plan_backward(Planner& planner, const std::string& name, const PlanShape& shape,
                     AttentionPlan& plan) const;

  // y [N, C] = finish(attention(x)): dropout and residual, which may equal y. With run.caches set,
  // keys and values of this call are appended to the layer's part of it (the caller advances
  // length).
  void forward(const Run& run, const Scratch& scratch, const AttentionPlan& plan,
               ops::ConstValues x, const ops::Epilogue& finish, ops::Values y) const;
  // dx [N, C] = ; parameter gradients +=. dheads [N, H D] is overwritten.
  void backward(const Run& run, const Scratch& scratch, const AttentionPlan& plan,
                ops::ConstValues x, ops::ConstValues dy, ops::Values dheads, ops::Values dx) const;

  int64_t heads_elements(int64_t N) const { return N * options_.H * options_.D; }
  int64_t reduction_floats(int64_t N) const;
  int64_t scratch_floats(const ops::Context& context, const PlanShape& shape) const;
  int64_t gemm_floats(const ops::Context& context, const PlanShape& shape) const;
  std::vector<const Linear*> linears() const { return {&qkv_, &output_}; }

 private:
  struct QkvRows {
    ops::ConstHeadRows q, k, v;
    int64_t S;
  };
  int64_t qkv_width() const { return (options_.H + 2 * options_.K) * options_.D; }
  int64_t qk_width() const { return (options_.H + options_.K) * options_.D; }
  ops::AttentionShape shape(const Run& run, int64_t S) const;
  // Of `rows` rows from a sequence's `first_position` on, T per sequence.
  ops::QkNormShape qk_norm_shape(const Run& run, int64_t rows, int64_t first_position) const;
  // Normalises and rotates q and k of the fresh projection.
  void position_heads(const Run& run, const AttentionPlan& plan) const;
  void position_rows(const Run& run, const AttentionPlan& plan, int64_t row, int64_t rows,
                     int64_t first_position) const;
  void append_to_cache(const Run& run, const AttentionPlan& plan, int64_t sequence) const;
  // heads = attention of one token per sequence with the caches.
  void attend_caches(const Run& run, const AttentionPlan& plan) const;
  QkvRows rows(const Run& run, const AttentionPlan& plan) const;
  // dqkv (k and q parts) = from dqk through rotation and norm.
  void backward_positions(const Run& run, const Scratch& scratch, const AttentionPlan& plan) const;

  AttentionOptions options_;
  uint32_t layer_ = 0;
  Linear qkv_, output_;
  int64_t q_gain_ = -1, k_gain_ = -1;
};

}  // namespace cllm::nn
