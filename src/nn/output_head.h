// Logits of the last layer: a matrix of its own, or the transpose of the token embedding, in the
// kind that it has: h E^T is h T^T for a table, (h B) A^T for factors, (h U^T) S^T for codes. The
// last two are exact softmaxes over the whole vocabulary in fewer operations. In generation, the
// logits of a lattice have the same bits on every machine for the same h, which is rounded to
// integers before (ops::round_to_integers).
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "nn/linear.h"
#include "nn/token_embedding.h"

namespace cllm::nn {

struct HeadPlan {
  Slot inner;   // [rows, r or K]: h B or h U^T; with codes then its gradient
  Slot whole;   // [rows, C]: of a lattice in generation, h rounded to integers
  Slot dinner;  // [rows, r]: the gradient of h B
  Slot sums;    // ops::composite_logits_scratch
};

class OutputHead {
 public:
  OutputHead() = default;
  // Declares head.weight [V, C].
  OutputHead(ParameterTable& table, int64_t C, int64_t V, double deviation);
  static OutputHead tied_to(const ParameterTable& table, const TokenEmbedding& embedding);

  // The product with a dense matrix: head.weight, or the table of the embedding.
  const Linear& linear() const { return linear_; }
  // Floating-point operations of forward and backward per token.
  double training_flops() const;

  // In the event of forward() and backward(), for at most `rows` rows at a time.
  HeadPlan plan(Planner& planner, const ops::Context& context, const PlanShape& shape,
                int64_t rows) const;
  // logits [N, V] of x [N, C].
  void forward(const Run& run, const Scratch& scratch, const HeadPlan& plan, int64_t N,
               ops::ConstValues x, ops::Values logits) const;
  // Whether a logit is the product of a row of linear() with x alone.
  bool has_rows() const { return !projection_ && codes_ == nullptr; }
  // logits [tokens] of a few tokens for x [C], in generation: the bits that forward() gives them.
  // has_rows().
  void forward_rows(const Run& run, const HeadPlan& plan, std::span<const int32_t> tokens,
                    const float* x, float* logits) const;
  // Gradients of the parameters += and dx [N, C] = from dlogits [N, V], after forward() of the same
  // rows.
  void backward(const Run& run, const Scratch& scratch, const HeadPlan& plan, int64_t N,
                ops::ConstValues x, ops::ConstValues dlogits, ops::Values dx) const;
  // Floats of Scratch::gemm.
  int64_t gemm_floats(const ops::Context& context, const PlanShape& shape, int64_t N) const;

 private:
  // x [N, C], or its rounding in plan.whole if the stored matrix is one of integers.
  const float* exact_input(const Run& run, const HeadPlan& plan, int64_t N, const float* x) const;

  Linear linear_;
  bool lattice_ = false;
  std::optional<Linear> projection_;
  std::shared_ptr<const CodeTable> codes_;
};

}  // namespace cllm::nn
