// y = x W^T + b with W [out, in], b [out] or absent.
#pragma once

#include <string>

#include "nn/run.h"
#include "ops/gemm.h"

namespace cllm::nn {

class Linear {
 public:
  Linear() = default;
  // Declares NAME.weight (normal with `deviation`, or zero if deviation is 0) and NAME.bias (zero).
  Linear(ParameterTable& table, const std::string& name, int64_t in, int64_t out, bool bias,
         double deviation);
  // A linear whose weight is parameter `weight` of the table (tied head). It has no bias.
  static Linear tied_to(const ParameterTable& table, int32_t weight);

  int64_t in() const { return in_; }
  int64_t out() const { return out_; }
  int32_t weight_parameter() const { return parameter_; }

  // Buffers of the packed weight, alive throughout.
  struct PackedSlots {
    Slot forward, backward;
  };
  PackedSlots plan_packed(Planner& planner, const ops::Context& context,
                          ops::Storage storage) const;
  // Packs the weight of `run` for both products.
  PackedLinear pack(const Run& run, const PackedSlots& slots) const;

  // y [N, out] = epilogue(x [N, in] W^T); the epilogue's bias is set here.
  void forward(const Run& run, const Scratch& scratch, int64_t N, ops::ConstValues x, ops::Values y,
               ops::Epilogue epilogue = {}) const;
  // dW +=, db += from x [N, in] and dy [N, out]; dx [N, in] = epilogue(dy W) unless dx is null.
  void backward(const Run& run, const Scratch& scratch, int64_t N, ops::ConstValues x,
                ops::ConstValues dy, ops::Values dx, ops::Epilogue epilogue = {}) const;
  // The other way, without the bias: y [N, in] = x [N, out] W.
  void forward_transposed(const Run& run, const Scratch& scratch, int64_t N, ops::ConstValues x,
                          ops::Values y) const;
  // dW += from x [N, out] and dy [N, in]; dx [N, out] = dy W^T.
  void backward_transposed(const Run& run, const Scratch& scratch, int64_t N, ops::ConstValues x,
                           ops::ConstValues dy, ops::Values dx) const;
  // Floats of Scratch::reduction that backward() needs.
  int64_t reduction_floats(int64_t N) const;
  // Floats of Scratch::gemm for N rows or fewer, with these activations in the epilogues of
  // forward() and of backward().
  int64_t gemm_floats(const ops::Context& context, const PlanShape& shape, int64_t N,
                      ops::Activation forward = ops::Activation::kNone,
                      ops::Activation backward = ops::Activation::kNone) const;
  // The same of the other way.
  int64_t transposed_gemm_floats(const ops::Context& context, const PlanShape& shape,
                                 int64_t N) const;

 private:
  // forward() of generation: few rows read the stored matrix, more multiply with it as fp32.
  void forward_stored(const Run& run, const Scratch& scratch, int64_t N, ops::ConstValues x,
                      ops::Values y, const ops::Epilogue& epilogue) const;
  void forward_transposed_stored(const Run& run, const Scratch& scratch, int64_t N,
                                 ops::ConstValues x, ops::Values y) const;
  // The stored weight as fp32 [out, in].
  const float* stored_weight(const Run& run, const Scratch& scratch) const;
  // dW += dy^T x with dy [N, out], x [N, in].
  void add_weight_gradient(const Run& run, const Scratch& scratch, int64_t N, ops::ConstValues x,
                           ops::ConstValues dy) const;
  // B of a product: packed if the run has packed weights, else where it lies.
  void set_weight(const Run& run, bool forward, ops::Gemm& call) const;

  int64_t in_ = 0, out_ = 0;
  int32_t parameter_ = -1;
  int64_t weight_ = -1, bias_ = -1;  // offsets in the parameter arena; -1 = absent
};

}  // namespace cllm::nn
