#include "train/calibration.h"

#include <algorithm>
#include <vector>

namespace cllm {
namespace {

Evaluation read_text(const Transformer& model, const float* weights, const CalibrationText& text,
                     const Engine& engine, const nn::InputObserver* observer,
                     const EvaluationProgress& progress) {
  const int64_t T =
      std::min(model.config().context_length, std::max<int64_t>(text.text.size() - 1, 1));
  const EvalWindows windows(text.text, 1, T);
  Session session(model, engine.context(), calibration_shape(T));
  const std::vector<int32_t> no_bytes(static_cast<size_t>(model.config().vocabulary_size));
  return evaluate(
      windows, (text.tokens + T - 1) / T, no_bytes,
      [&](const Batch& batch) { return session.evaluate(batch, weights, observer); }, progress);
}

}  // namespace

nn::PlanShape calibration_shape(int64_t T) {
  return {.B = 1, .T = T, .S = T, .training = false};
}

Calibration calibrate(const Transformer& model, const float* weights, const CalibrationText& text,
                      const Engine& engine, const std::function<bool(int32_t)>& observed,
                      const EvaluationProgress& progress) {
  Calibration result{.moments = InputMoments(model, engine.context())};
  const nn::InputObserver observer = [&](int32_t parameter, int64_t N, int64_t in, auto x) {
    if (observed(parameter)) result.moments.add(parameter, N, in, x);
  };
  const Evaluation evaluation = read_text(model, weights, text, engine, &observer, progress);
  result.loss = evaluation.loss;
  result.tokens = evaluation.tokens;
  return result;
}

Evaluation calibration_loss(const Transformer& model, const float* weights,
                            const CalibrationText& text, const Engine& engine,
                            const EvaluationProgress& progress) {
  return read_text(model, weights, text, engine, nullptr, progress);
}

}  // namespace cllm
