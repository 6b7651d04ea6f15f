// The vectors of tokens, in one of several kinds; with nn/output_head.h the only place that knows
// which. All kinds are gathered in training and in generation, where the matrices may be stored in
// any weight type, and take the position table along.
//   dense       E = a table [V, C]
//   factorised  E = A B^T with A [V, r], B [C, r] (Lan et al. 2019, "ALBERT")
//   composite   E = S U with a sparse S of codes and U [K, C] (ops/composite.h)
//   lattice     E = the points of E8 nearest to a trained table [V, C] (ops/lattice_table.h)
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "nn/code_table.h"
#include "nn/linear.h"
#include "nn/run.h"

namespace cllm::nn {

enum class EmbeddingKind { kDense, kFactorised, kComposite, kLattice };

struct EmbeddingOptions {
  EmbeddingKind kind = EmbeddingKind::kDense;
  int64_t V = 0, C = 0;
  int64_t width = 0;                       // r of kFactorised
  std::shared_ptr<const CodeTable> codes;  // of kComposite, V tokens
  float step = 0;                          // of kLattice, a power of two
  double deviation = 0;                    // of an element of E at the start
};

struct EmbeddingPlan {
  Slot factors;                  // [N, r]: rows of A, of the forward
  Slot factors_again, dfactors;  // [N, r]: the same and its gradient, of the backward
  Slot keys;  // uint64 [N] of ops::sort_tokens; none if the tokens stay as they are
};

class TokenEmbedding {
 public:
  TokenEmbedding() = default;
  // Declares the table, "embedding.token", "embedding.factors" or "embedding.pieces" by kind, and
  // "embedding.projection.weight" of kFactorised.
  TokenEmbedding(ParameterTable& table, const EmbeddingOptions& options);

  const EmbeddingOptions& options() const { return options_; }
  // Of the table whose rows are looked up: [V, C], [V, r] or [K, C].
  int32_t table_parameter() const { return table_; }
  // B of kFactorised, else null.
  const Linear* projection() const { return projection_ ? &*projection_ : nullptr; }
  int64_t parameter_count() const { return count_; }
  // Of kLattice: floats of the rounded table, and the table of `run` rounded into `values`, for
  // Run::rounded; 0 and nothing for the other kinds.
  int64_t rounded_floats() const;
  RoundedParameter round(const Run& run, float* values) const;
  // Floating-point operations of forward and backward per token of text: those of B, and one per
  // number of S U, whose tokens are taken to be as long as those of the vocabulary.
  double training_flops() const;

  EmbeddingPlan plan_forward(Planner& planner, const ops::Context& context,
                             const PlanShape& shape) const;
  // In the event of backward().
  void plan_backward(Planner& planner, const PlanShape& shape, EmbeddingPlan& plan) const;

  // x [N, C] = E[token] + positions[n % T]; positions [>= T, C] may be null.
  void forward(const Run& run, const Scratch& scratch, const EmbeddingPlan& plan,
               const int32_t* tokens, const float* positions, ops::Values x) const;
  // Gradients of the parameters and dpositions (may be null) += from dx [N, C], of the tokens of
  // the last forward.
  void backward(const Run& run, const Scratch& scratch, const EmbeddingPlan& plan,
                const int32_t* tokens, ops::ConstValues dx, float* dpositions) const;
  // forward() of generation: sequence b goes on at first_positions[b].
  void recall(const Run& run, const Scratch& scratch, const EmbeddingPlan& plan,
              std::span<const int32_t> tokens, std::span<const int64_t> first_positions,
              const ops::DecodeMatrix* positions, float* x) const;

  // Floats of Scratch::gemm and ::expanded.
  int64_t gemm_floats(const ops::Context& context, const PlanShape& shape) const;
  int64_t expanded_floats() const;

 private:
  int64_t row_width() const;
  // A vector is a row, of the table or of its rounding.
  bool looks_up_rows() const;

  EmbeddingOptions options_;
  int32_t table_ = -1;
  int64_t offset_ = -1, count_ = 0;
  std::optional<Linear> projection_;
};

}  // namespace cllm::nn
