#include "nn/linear.h"

#include "ops/elementwise.h"

namespace cllm::nn {

Linear::Linear(ParameterTable& table, const std::string& name, int64_t in, int64_t out, bool bias,
               double deviation)
    : in_(in), out_(out) {
  const Initial initial = deviation > 0 ? Initial::kNormal : Initial::kZero;
  weight_ = table.at(table.add(name + ".weight", {out, in}, initial, deviation)).offset;
  if (bias) bias_ = table.at(table.add(name + ".bias", {out}, Initial::kZero)).offset;
}

Linear Linear::tied_to(const Parameter& weight) {
  Linear linear;
  linear.out_ = weight.shape[0];
  linear.in_ = weight.shape[1];
  linear.weight_ = weight.offset;
  return linear;
}

void Linear::forward(const Run& run, const Scratch& scratch, int64_t N, const float* x, float* y,
                     ops::Epilogue epilogue) const {
  if (bias_ >= 0) epilogue.bias = run.weights + bias_;
  ops::gemm(run.context,
            {.m = N,
             .n = out_,
             .k = in_,
             .a = x,
             .lda = in_,
             .b = run.weights + weight_,
             .ldb = in_,
             .b_transposed = true,
             .c = y,
             .ldc = out_,
             .epilogue = epilogue},
            run.at(scratch.gemm));
}

void Linear::backward(const Run& run, const Scratch& scratch, int64_t N, const float* x,
                      const float* dy, float* dx, ops::Epilogue epilogue) const {
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
  if (bias_ >= 0)
    ops::column_sum(run.context, N, out_, dy, out_, run.gradients + bias_,
                    run.at(scratch.reduction));
  if (dx == nullptr) return;
  ops::gemm(run.context,
            {.m = N,
             .n = in_,
             .k = out_,
             .a = dy,
             .lda = out_,
             .b = run.weights + weight_,
             .ldb = in_,
             .c = dx,
             .ldc = in_,
             .epilogue = epilogue},
            run.at(scratch.gemm));
}

int64_t Linear::reduction_floats(int64_t N) const {
  return bias_ >= 0 ? ops::column_sum_scratch(N, out_) : 0;
}

}  // namespace cllm::nn
