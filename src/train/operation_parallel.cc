#include "train/operation_parallel.h"

namespace cllm {

double OperationParallel::accumulate(int64_t count, const NextBatch& next, const float* weights,
                                     float gradient_scale, float* gradients) {
  session_.clear_gradients(gradients);
  const HeldWeights held(session_, weights);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const MicroBatch micro = next();
    sum +=
        session_.forward_backward(micro.batch, weights, gradient_scale, micro.dropout, gradients);
  }
  return sum;
}

double OperationParallel::stream(const MicroBatch& micro, const float* weights,
                                 float gradient_scale, const GradientStream& stream) {
  return session_.forward_backward(micro.batch, weights, gradient_scale, micro.dropout, stream);
}

double OperationParallel::evaluate(const Batch& batch, const float* weights) {
  return session_.evaluate(batch, weights);
}

double OperationParallel::evaluate(const Batch& batch, const float* weights,
                                   std::vector<float>& losses) {
  const double sum = session_.evaluate(batch, weights);
  for (int64_t n = 0; n < batch.B * batch.T; ++n)
    if (batch.targets[n] >= 0) losses.push_back(session_.losses()[static_cast<size_t>(n)]);
  return sum;
}

std::string OperationParallel::first_nonfinite(const MicroBatch& micro, const float* weights,
                                               float* gradients) {
  return session_.first_nonfinite(micro.batch, weights, micro.dropout, gradients);
}

}  // namespace cllm
