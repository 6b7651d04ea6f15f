// A whole batch in one Session: the threads share every operation.
#pragma once

#include <string>
#include <vector>

#include "train/gradient_source.h"

namespace cllm {

class OperationParallel : public GradientSource {
 public:
  // A shape that is not for training evaluates only.
  OperationParallel(const Transformer& model, const ops::Context& context,
                    const nn::PlanShape& shape)
      : session_(model, context, shape) {}

  const nn::PlanShape& shape() const override { return session_.shape(); }
  int64_t activation_bytes() const override { return session_.bytes(); }
  int64_t gradient_bytes() const override { return 0; }

  double accumulate(int64_t count, const NextBatch& next, const float* weights,
                    float gradient_scale, float* gradients) override;
  double stream(const MicroBatch& micro, const float* weights, float gradient_scale,
                const GradientStream& stream) override;
  void hold_weights(const float* weights) override { session_.hold_weights(weights); }
  void release_weights() override { session_.release_weights(); }
  double evaluate(const Batch& batch, const float* weights) override;
  // The same; the loss of each target that is not -1 is appended to `losses`.
  double evaluate(const Batch& batch, const float* weights, std::vector<float>& losses);
  std::string first_nonfinite(const MicroBatch& micro, const float* weights,
                              float* gradients) override;

 private:
  Session session_;
};

}  // namespace cllm
