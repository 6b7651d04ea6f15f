#include "train/evaluation.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace cllm {

Evaluation make_evaluation(double loss, int64_t tokens, int64_t bytes) {
  Evaluation result{.tokens = tokens, .bytes = bytes};
  result.loss = loss / static_cast<double>(tokens);
  result.perplexity = std::exp(result.loss);
  result.bits_per_byte = loss / (std::log(2.0) * static_cast<double>(bytes));
  return result;
}

Evaluation evaluate(const EvalWindows& windows, int64_t limit,
                    const std::vector<int32_t>& token_bytes, const BatchLoss& batch_loss,
                    const EvaluationProgress& progress) {
  const int64_t B = windows.batch_size(), T = windows.context();
  int64_t batches = windows.batches();
  if (limit > 0) batches = std::min(batches, (limit + B - 1) / B);
  std::vector<int32_t> tokens(static_cast<size_t>(B * T)), targets(static_cast<size_t>(B * T));
  double loss = 0;
  int64_t predicted = 0, bytes = 0;
  for (int64_t i = 0; i < batches; ++i) {
    predicted += windows.batch(i * windows.batches() / batches, tokens.data(), targets.data());
    loss += batch_loss({tokens.data(), targets.data(), B, T});
    for (const int32_t target : targets)
      if (target >= 0) bytes += token_bytes[static_cast<size_t>(target)];
    if (progress) progress(i + 1, batches);
  }
  return make_evaluation(loss, predicted, bytes);
}

Evaluation evaluate(GradientSource& source, const float* weights, const EvalWindows& windows,
                    int64_t limit, const std::vector<int32_t>& token_bytes,
                    const EvaluationProgress& progress) {
  const int64_t B = source.evaluation_batch(), T = source.shape().T;
  CHECK_MSG(windows.batch_size() == B && windows.context() == T,
            "windows B={} T={}, source B={} T={}", windows.batch_size(), windows.context(), B, T);
  const HeldWeights held(source, weights);
  return evaluate(
      windows, limit, token_bytes,
      [&](const Batch& batch) { return source.evaluate(batch, weights); }, progress);
}

}  // namespace cllm
