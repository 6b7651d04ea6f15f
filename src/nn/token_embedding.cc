#include "nn/token_embedding.h"

#include <cmath>

#include "base/check.h"
#include "ops/embedding.h"
#include "ops/lattice_table.h"

namespace cllm::nn {

TokenEmbedding::TokenEmbedding(ParameterTable& table, const EmbeddingOptions& options)
    : options_(options) {
  const EmbeddingOptions& o = options_;
  const auto add = [&](const char* name, int64_t rows) {
    table_ = table.add(name, {rows, row_width()}, Initial::kNormal, o.deviation);
    offset_ = table.at(table_).offset;
    count_ = table.at(table_).count;
  };
  switch (o.kind) {
    case EmbeddingKind::kDense:
    case EmbeddingKind::kLattice:
      add("embedding.token", o.V);
      break;
    case EmbeddingKind::kFactorised:
      add("embedding.factors", o.V);
      // Keeps the length of a row of A, so that E starts with the deviation of A.
      projection_ = Linear(table, "embedding.projection", o.width, o.C, false,
                           1 / std::sqrt(static_cast<double>(o.width)));
      count_ += o.width * o.C;
      break;
    case EmbeddingKind::kComposite:
      CHECK(o.codes != nullptr && o.codes->tokens() == o.V);
      add("embedding.pieces", o.codes->rows());
      break;
  }
}

int64_t TokenEmbedding::row_width() const {
  return options_.kind == EmbeddingKind::kFactorised ? options_.width : options_.C;
}

bool TokenEmbedding::looks_up_rows() const {
  return options_.kind == EmbeddingKind::kDense || options_.kind == EmbeddingKind::kLattice;
}

int64_t TokenEmbedding::rounded_floats() const {
  return options_.kind == EmbeddingKind::kLattice ? options_.V * options_.C : 0;
}

RoundedParameter TokenEmbedding::round(const Run& run, float* values) const {
  if (options_.kind != EmbeddingKind::kLattice) return {};
  ops::lattice_round(run.context, options_.V, options_.C, options_.step, run.weights + offset_,
                     values);
  return {table_, values};
}

double TokenEmbedding::training_flops() const {
  const auto C = static_cast<double>(options_.C);
  if (projection_) return 6 * C * static_cast<double>(options_.width);
  if (options_.codes == nullptr) return 0;
  return 2 * C * static_cast<double>(options_.codes->pieces().size()) /
         static_cast<double>(options_.V);
}

EmbeddingPlan TokenEmbedding::plan_forward(Planner& planner, const ops::Context& context,
                                           const PlanShape& shape) const {
  EmbeddingPlan plan;
  if (options_.codes == nullptr) plan.keys = shape.declare_keys(planner, "embedding.keys", context);
  if (projection_)
    plan.factors = shape.declare(planner, "embedding.factors", shape.rows() * options_.width);
  return plan;
}

void TokenEmbedding::plan_backward(Planner& planner, const PlanShape& shape,
                                   EmbeddingPlan& plan) const {
  if (!projection_) return;
  const int64_t elements = shape.rows() * options_.width;
  plan.factors_again = shape.declare(planner, "embedding.factors_again", elements);
  plan.dfactors = shape.declare(planner, "embedding.dfactors", elements);
}

void TokenEmbedding::forward(const Run& run, const Scratch& scratch, const EmbeddingPlan& plan,
                             const int32_t* tokens, const float* positions, ops::Values x) const {
  const int64_t N = run.rows(), C = options_.C;
  const float* table = run.weight(table_, offset_);
  uint64_t* const keys = run.keys(plan.keys);
  if (keys != nullptr) ops::sort_tokens(run.context, N, tokens, keys);
  if (looks_up_rows())
    return ops::embedding_forward(run.context, N, run.T, C, tokens, table, positions, x, keys);
  if (options_.kind == EmbeddingKind::kComposite)
    return ops::composite_forward(run.context, N, run.T, C, tokens, options_.codes->matrix(), table,
                                  positions, x);
  const ops::Values factors = run.values(plan.factors);
  ops::embedding_forward(run.context, N, run.T, options_.width, tokens, table, nullptr, factors,
                         keys);
  ops::Epilogue join;
  if (positions != nullptr) {
    ops::embedding_forward(run.context, N, run.T, C, nullptr, nullptr, positions, x);
    join.residual = x;
  }
  projection_->forward(run, scratch, N, factors, x, join);
}

void TokenEmbedding::backward(const Run& run, const Scratch& scratch, const EmbeddingPlan& plan,
                              const int32_t* tokens, ops::ConstValues dx, float* dpositions) const {
  const int64_t N = run.rows(), C = options_.C;
  float* dtable = run.gradients + offset_;
  const uint64_t* const keys = run.keys(plan.keys);
  if (looks_up_rows())
    return ops::embedding_backward(run.context, N, run.T, C, tokens, dx, dtable, dpositions, keys);
  if (dpositions != nullptr)
    ops::embedding_backward(run.context, N, run.T, C, nullptr, dx, nullptr, dpositions);
  if (options_.kind == EmbeddingKind::kComposite)
    return ops::composite_backward(run.context, N, C, tokens, options_.codes->matrix(), dx, dtable);
  const ops::Values factors = run.values(plan.factors_again);
  const ops::Values dfactors = run.values(plan.dfactors);
  ops::embedding_forward(run.context, N, run.T, options_.width, tokens, run.weights + offset_,
                         nullptr, factors, keys);
  projection_->backward(run, scratch, N, factors, dx, dfactors);
  ops::embedding_backward(run.context, N, run.T, options_.width, tokens, dfactors, dtable, nullptr,
                          keys);
}

void TokenEmbedding::recall(const Run& run, const Scratch& scratch, const EmbeddingPlan& plan,
                            std::span<const int32_t> tokens,
                            std::span<const int64_t> first_positions,
                            const ops::DecodeMatrix* positions, float* x) const {
  const ops::DecodeMatrix& table = run.stored[static_cast<size_t>(table_)];
  if (looks_up_rows())
    return ops::gather(run.context, run.T, tokens, table, first_positions, positions, x);
  if (options_.kind == EmbeddingKind::kComposite) {
    ops::composite_gather(run.context, tokens, options_.codes->matrix(), table, x);
  } else {
    float* const factors = run.at(plan.factors);
    ops::gather(run.context, run.T, tokens, table, first_positions, nullptr, factors);
    projection_->forward(run, scratch, run.rows(), factors, x);
  }
  if (positions != nullptr)
    ops::add_positions(run.context, run.T, first_positions.first(tokens.size() / run.T), *positions,
                       x);
}

int64_t TokenEmbedding::gemm_floats(const ops::Context& context, const PlanShape& shape) const {
  return projection_ ? projection_->gemm_floats(context, shape, shape.rows()) : 0;
}

int64_t TokenEmbedding::expanded_floats() const {
  return projection_ ? projection_->in() * projection_->out() : 0;
}

}  // namespace cllm::nn
