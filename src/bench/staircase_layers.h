// The layers of the plain pipeline for a number of sequences: linear, GELU, attention with the
// whole T x T matrix, softmax and cross-entropy. The mathematics is that of nn/, so that all stairs
// show the same losses; how the work is done is chosen by Features.
#pragma once

#include <memory>
#include <vector>

#include "bench/staircase_products.h"
#include "threads/pool.h"

namespace cllm::bench {

// A thread of its own for work that runs inside a task of a larger pool.
struct Solo {
  explicit Solo(const kernels::Table& table) : context{pool, table} {}
  ThreadPool pool{1};
  const ops::Context context;
};

// Offsets of a linear layer in the parameter arena; bias -1: none.
struct LinearPlace {
  int64_t in = 0, out = 0, weight = 0, bias = -1;
};

// What follows the bias: hidden [N, out] = y, y = gelu(hidden); y += residual [N, out].
struct LinearFinish {
  float* hidden = nullptr;
  const float* residual = nullptr;
};

struct HeadShape {
  int64_t B = 0, T = 0, H = 0, D = 0;
  int64_t C() const { return H * D; }
  // Of one head of one sequence; a row has a place beyond its T probabilities.
  int64_t matrix_floats() const { return T * (T + 1); }
};

// Not thread-safe; threads inside as far as the context's pool has them. context must outlive it.
class Layers {
 public:
  // reduction_floats: enough for ops::column_sum and layer_norm_backward of all rows. longest: T of
  // the longest sequence.
  Layers(const Features& features, const ops::Context& context, int64_t reduction_floats,
         int64_t longest);

  const ops::Context& context() const { return context_; }
  float* reduction() { return reduction_.data(); }

  // y [N, out] = x w^T + bias; then as `finish` says.
  void linear_forward(int64_t N, const LinearPlace& place, const float* weights, const float* x,
                      float* y, LinearFinish finish = {});
  // dw, db += ; dx [N, in] = dy w (times gelu'(hidden [N, in]) unless hidden is null).
  void linear_backward(int64_t N, const LinearPlace& place, const float* weights, const float* x,
                       const float* dy, float* gradients, float* dx, const float* hidden = nullptr);

  // heads [B T, C] = causal attention of qkv [B T, 3 C]; probabilities [B, H, matrix] = kept.
  void attention_forward(const HeadShape& shape, const float* qkv, float* probabilities,
                         float* heads);
  // dqkv [B T, 3 C] =
  void attention_backward(const HeadShape& shape, const float* qkv, const float* probabilities,
                          const float* dheads, float* dqkv);

  // Sum of the losses of logits [N, V], which become scale * their gradient. probabilities
  // [N, V + 1]: working space, unused if fused.
  double cross_entropy(int64_t N, int64_t V, const int32_t* targets, float scale, float* logits,
                       float* probabilities, float* losses);

 private:
  // dx [count] *= gelu'(hidden)
  void gelu_backward(int64_t count, const float* hidden, float* dx);
  void add_bias(int64_t N, int64_t width, const float* bias, float* y);
  void separate_cross_entropy(int64_t N, int64_t V, const int32_t* targets, float scale,
                              float* logits, float* probabilities, float* losses);
  // The scores of a head become probabilities; the gradient of these becomes that of the scores.
  void softmax_rows(const HeadShape& shape, float* scores) const;
  static void softmax_rows_backward(const HeadShape& shape, Products& products,
                                    const float* probabilities, float* gradient);

  const Features features_;
  const ops::Context& context_;
  Products products_;
  // One of each per worker of the pool: a head is a task.
  std::vector<std::unique_ptr<Solo>> solos_;
  std::vector<std::unique_ptr<Products>> head_products_;
  std::vector<float> head_gradients_;  // [workers, matrix]
  std::vector<float> reduction_;
};

}  // namespace cllm::bench
