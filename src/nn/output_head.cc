#include "nn/output_head.h"

#include <algorithm>

#include "base/check.h"
#include "ops/lattice_table.h"

namespace cllm::nn {

OutputHead::OutputHead(ParameterTable& table, int64_t C, int64_t V, double deviation)
    : linear_(table, "head", C, V, false, deviation) {}

OutputHead OutputHead::tied_to(const ParameterTable& table, const TokenEmbedding& embedding) {
  OutputHead head;
  head.linear_ = Linear::tied_to(table, embedding.table_parameter());
  if (embedding.projection() != nullptr) head.projection_ = *embedding.projection();
  head.codes_ = embedding.options().codes;
  head.lattice_ = embedding.options().kind == EmbeddingKind::kLattice;
  return head;
}

double OutputHead::training_flops() const {
  double flops = 6 * static_cast<double>(linear_.in() * linear_.out());
  if (projection_) flops += 6 * static_cast<double>(projection_->in() * projection_->out());
  // A sum and a scale per token; the gradient takes the scale and as many additions as pieces.
  if (codes_ != nullptr)
    flops +=
        2 * static_cast<double>(codes_->pieces().size()) + static_cast<double>(codes_->tokens());
  return flops;
}

HeadPlan OutputHead::plan(Planner& planner, const ops::Context& context, const PlanShape& shape,
                          int64_t rows) const {
  HeadPlan plan;
  if (projection_) {
    plan.inner = shape.declare(planner, "head.inner", rows * projection_->in());
    if (shape.training)
      plan.dinner = shape.declare(planner, "head.dinner", rows * projection_->in());
  }
  if (lattice_ && !shape.training) plan.whole = planner.declare("head.whole", rows * linear_.in());
  if (codes_ != nullptr) {
    plan.inner = shape.declare(planner, "head.inner", rows * codes_->rows());
    plan.sums =
        planner.declare("head.sums", ops::composite_logits_scratch(context, codes_->matrix()));
  }
  return plan;
}

void OutputHead::forward(const Run& run, const Scratch& scratch, const HeadPlan& plan, int64_t N,
                         ops::ConstValues x, ops::Values logits) const {
  if (lattice_ && !run.stored.empty()) x = exact_input(run, plan, N, x.as<float>());
  if (!plan.inner.valid()) return linear_.forward(run, scratch, N, x, logits);
  const ops::Values inner = run.values(plan.inner);
  if (projection_) {
    projection_->forward_transposed(run, scratch, N, x, inner);
    linear_.forward(run, scratch, N, inner, logits);
  } else {
    linear_.forward(run, scratch, N, x, inner);
    ops::composite_logits(run.context, N, codes_->matrix(), inner, logits, run.at(plan.sums));
  }
}

const float* OutputHead::exact_input(const Run& run, const HeadPlan& plan, int64_t N,
                                     const float* x) const {
  if (!lattice_) return x;
  const ops::DecodeMatrix& matrix = run.stored[static_cast<size_t>(linear_.weight_parameter())];
  float* const whole = run.at(plan.whole);
  ops::round_to_integers(run.context, N, linear_.in(), matrix.limit, x, whole);
  return whole;
}

void OutputHead::forward_rows(const Run& run, const HeadPlan& plan, std::span<const int32_t> tokens,
                              const float* x, float* logits) const {
  CHECK(has_rows());
  const ops::DecodeMatrix& matrix = run.stored[static_cast<size_t>(linear_.weight_parameter())];
  ops::decode_rows(run.context, matrix, tokens, exact_input(run, plan, 1, x), logits);
}

void OutputHead::backward(const Run& run, const Scratch& scratch, const HeadPlan& plan, int64_t N,
                          ops::ConstValues x, ops::ConstValues dlogits, ops::Values dx) const {
  if (!plan.inner.valid()) return linear_.backward(run, scratch, N, x, dlogits, dx);
  const ops::Values inner = run.values(plan.inner);
  if (projection_) {
    const ops::Values dinner = run.values(plan.dinner);
    linear_.backward(run, scratch, N, inner, dlogits, dinner);
    projection_->backward_transposed(run, scratch, N, x, dinner, dx);
  } else {
    ops::composite_logits_backward(run.context, N, codes_->matrix(), dlogits, inner,
                                   run.at(plan.sums));
    linear_.backward(run, scratch, N, x, inner, dx);
  }
}

int64_t OutputHead::gemm_floats(const ops::Context& context, const PlanShape& shape,
                                int64_t N) const {
  int64_t floats = linear_.gemm_floats(context, shape, N);
  if (projection_)
    floats = std::max(floats, projection_->transposed_gemm_floats(context, shape, N));
  return floats;
}

}  // namespace cllm::nn
