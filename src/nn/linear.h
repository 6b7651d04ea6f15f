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
  // A linear whose weight is another parameter's (tied head). It has no bias.
  static Linear tied_to(const Parameter& weight);

  int64_t in() const { return in_; }
  int64_t out() const { return out_; }

  // y [N, out] = epilogue(x [N, in] W^T); the epilogue's bias is set here.
  void forward(const Run& run, const Scratch& scratch, int64_t N, const float* x, float* y,
               ops::Epilogue epilogue = {}) const;
  // dW +=, db += from x [N, in] and dy [N, out]; dx [N, in] = epilogue(dy W) unless dx is null.
  void backward(const Run& run, const Scratch& scratch, int64_t N, const float* x, const float* dy,
                float* dx, ops::Epilogue epilogue = {}) const;
  // Floats of Scratch::reduction that backward() needs.
  int64_t reduction_floats(int64_t N) const;

 private:
  int64_t in_ = 0, out_ = 0;
  int64_t weight_ = -1, bias_ = -1;  // offsets in the parameter arena; -1 = absent
};

}  // namespace cllm::nn
