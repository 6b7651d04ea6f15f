#include "nn/linear.h"

#include <algorithm>

#include "ops/elementwise.h"

namespace cllm::nn {

Linear::Linear(ParameterTable& table, const std::string& name, int64_t in, int64_t out, bool bias,
               double deviation)
    : in_(in), out_(out) {
  const Initial initial = deviation > 0 ? Initial::kNormal : Initial::kZero;
  parameter_ = table.add(name + ".weight", {out, in}, initial, deviation);
  weight_ = table.at(parameter_).offset;
  if (bias) bias_ = table.at(table.add(name + ".bias", {out}, Initial::kZero)).offset;
}

Linear Linear::tied_to(const ParameterTable& table, int32_t weight) {
  Linear linear;
  linear.out_ = table.at(weight).shape[0];
  linear.in_ = table.at(weight).shape[1];
  linear.parameter_ = weight;
  linear.weight_ = table.at(weight).offset;
  return linear;
}

Linear::PackedSlots Linear::plan_packed(Planner& planner, const ops::Context& context,
                                        ops::Storage storage) const {
  const ops::Compute compute = ops::compute_for(context, storage);
  return {
      planner.declare_permanent("packed.forward", ops::packed_floats(context, compute, in_, out_)),
      planner.declare_permanent("packed.backward",
                                ops::packed_floats(context, compute, out_, in_))};
}

PackedLinear Linear::pack(const Run& run, const PackedSlots& slots) const {
  const ops::Compute compute = ops::compute_for(run.context, run.storage);
  const float* weight = run.weight(parameter_, weight_);
  return {ops::pack(run.context, compute, in_, out_, weight, in_, true, run.at(slots.forward)),
          ops::pack(run.context, compute, out_, in_, weight, in_, false, run.at(slots.backward))};
}

void Linear::set_weight(const Run& run, bool forward, ops::Gemm& call) const {
  if (!run.packed.empty()) {
    const PackedLinear& packed = run.packed[static_cast<size_t>(parameter_)];
    call.packed = forward ? &packed.forward : &packed.backward;
    return;
  }
  call.b = run.weight(parameter_, weight_);
  call.ldb = in_;
  call.b_transposed = forward;
}

const float* Linear::stored_weight(const Run& run, const Scratch& scratch) const {
  const ops::DecodeMatrix& matrix = run.stored[static_cast<size_t>(parameter_)];
  if (matrix.type == ops::WeightType::kFp32) return static_cast<const float*>(matrix.data);
  ops::expand(run.context, matrix, run.at(scratch.expanded));
  return run.at(scratch.expanded);
}

void Linear::forward_stored(const Run& run, const Scratch& scratch, int64_t N, ops::ConstValues x,
                            ops::Values y, const ops::Epilogue& epilogue) const {
  const ops::DecodeMatrix& matrix = run.stored[static_cast<size_t>(parameter_)];
  if (N <= ops::kDecodeRows)
    return ops::decode(run.context, matrix, N, x.as<float>(), y.as<float>(), epilogue);
  const bool halves = epilogue.activation == ops::Activation::kSwiglu;
  ops::gemm(run.context,
            {.m = N,
             .n = out_,
             .k = in_,
             .a = x,
             .lda = in_,
             .b = stored_weight(run, scratch),
             .ldb = in_,
             .b_transposed = true,
             .c = y,
             .ldc = halves ? out_ / 2 : out_,
             .epilogue = epilogue},
            run.at(scratch.gemm));
}

void Linear::forward(const Run& run, const Scratch& scratch, int64_t N, ops::ConstValues x,
                     ops::Values y, ops::Epilogue epilogue) const {
  if (run.observer != nullptr) (*run.observer)(parameter_, N, in_, x);
  if (bias_ >= 0) epilogue.bias = run.weights + bias_;
  if (!run.stored.empty()) return forward_stored(run, scratch, N, x, y, epilogue);
  const int64_t width = epilogue.activation == ops::Activation::kSwiglu ? out_ / 2 : out_;
  ops::Gemm call{
      .m = N, .n = out_, .k = in_, .a = x, .lda = in_, .c = y, .ldc = width, .epilogue = epilogue};
  set_weight(run, true, call);
  ops::gemm(run.context, call, run.at(scratch.gemm));
}

void Linear::add_weight_gradient(const Run& run, const Scratch& scratch, int64_t N,
                                 ops::ConstValues x, ops::ConstValues dy) const {
  ops::gemm(run.context,
            {.m = out_,
             .n = in_,
             .k = N,
             .a = dy,
             .lda = out_,
             .a_transposed = true,
             .b = x,
             .ldb = in_,
             .c = run.gradients + weight_,
             .ldc = in_,
             .accumulate = true},
            run.at(scratch.gemm));
}

void Linear::backward(const Run& run, const Scratch& scratch, int64_t N, ops::ConstValues x,
                      ops::ConstValues dy, ops::Values dx, ops::Epilogue epilogue) const {
  add_weight_gradient(run, scratch, N, x, dy);
  if (bias_ >= 0)
    ops::column_sum(run.context, N, out_, dy, out_, run.gradients + bias_,
                    run.at(scratch.reduction));
  if (!dx) return;
  const int64_t width = epilogue.activation == ops::Activation::kSwigluBackward ? 2 * in_ : in_;
  ops::Gemm call{.m = N,
                 .n = in_,
                 .k = out_,
                 .a = dy,
                 .lda = out_,
                 .c = dx,
                 .ldc = width,
                 .epilogue = epilogue};
  set_weight(run, false, call);
  ops::gemm(run.context, call, run.at(scratch.gemm));
}

void Linear::forward_transposed(const Run& run, const Scratch& scratch, int64_t N,
                                ops::ConstValues x, ops::Values y) const {
  if (!run.stored.empty()) return forward_transposed_stored(run, scratch, N, x, y);
  ops::Gemm call{.m = N, .n = in_, .k = out_, .a = x, .lda = out_, .c = y, .ldc = in_};
  set_weight(run, false, call);
  ops::gemm(run.context, call, run.at(scratch.gemm));
}

// Row by row, so that the bits of one do not depend on how many there are.
void Linear::forward_transposed_stored(const Run& run, const Scratch& scratch, int64_t N,
                                       ops::ConstValues x, ops::Values y) const {
  const float* weight = stored_weight(run, scratch);
  for (int64_t n = 0; n < N; ++n)
    ops::gemm(run.context,
              {.m = 1,
               .n = in_,
               .k = out_,
               .a = x + n * out_,
               .lda = out_,
               .b = weight,
               .ldb = in_,
               .c = y + n * in_,
               .ldc = in_},
              run.at(scratch.gemm));
}

void Linear::backward_transposed(const Run& run, const Scratch& scratch, int64_t N,
                                 ops::ConstValues x, ops::ConstValues dy, ops::Values dx) const {
  add_weight_gradient(run, scratch, N, dy, x);
  ops::Gemm call{.m = N, .n = out_, .k = in_, .a = dy, .lda = in_, .c = dx, .ldc = out_};
  set_weight(run, true, call);
  ops::gemm(run.context, call, run.at(scratch.gemm));
}

int64_t Linear::reduction_floats(int64_t N) const {
  return bias_ >= 0 ? ops::column_sum_scratch(N, out_) : 0;
}

int64_t Linear::gemm_floats(const ops::Context& context, const PlanShape& shape, int64_t N,
                            ops::Activation forward, ops::Activation backward) const {
  const ops::Values rows(nullptr, shape.storage);
  const ops::Compute compute = ops::compute_for(context, shape.storage);
  const auto floats = [&](const ops::Gemm& call) {
    return static_cast<int64_t>(ops::gemm_scratch(context, call));
  };
  ops::Gemm y{.m = N, .n = out_, .k = in_, .a = rows, .b_transposed = true, .c = rows};
  y.epilogue.activation = forward;
  if (!shape.training) return floats(y);
  const ops::PackedMatrix packed{.k = in_, .n = out_, .compute = compute};
  y.packed = &packed;
  const ops::PackedMatrix packed_back{.k = out_, .n = in_, .compute = compute};
  ops::Gemm dx{.m = N, .n = in_, .k = out_, .a = rows, .packed = &packed_back, .c = rows};
  dx.epilogue.activation = backward;
  const ops::Gemm dw{.m = out_, .n = in_, .k = N, .a = rows, .a_transposed = true, .b = rows};
  return std::max({floats(y), floats(dx), floats(dw)});
}

int64_t Linear::transposed_gemm_floats(const ops::Context& context, const PlanShape& shape,
                                       int64_t N) const {
  // In training the three products are those of the usual way.
  if (shape.training) return gemm_floats(context, shape, N);
  const ops::Values rows(nullptr, shape.storage);
  const ops::Gemm y{.m = N, .n = in_, .k = out_, .a = rows, .c = rows};
  return static_cast<int64_t>(ops::gemm_scratch(context, y));
}

}  // namespace cllm::nn
