// Proof on the user's machine that the hand-written backward is the derivative of the forward: the
// analytic gradient of a small batch against central differences of the loss, one parameter at a
// time, along its own gradient and along a random direction. Differences are taken at several steps
// and extrapolated (Richardson 1911); the step is chosen by how well neighbouring extrapolations
// agree, never by the analytic value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/session.h"
#include "tensor/arena.h"

namespace cllm {

enum class GradcheckDirection { kGradient, kRandom };

// Derivatives of the mean loss along a unit direction within one parameter.
struct GradcheckRow {
  std::string parameter;
  GradcheckDirection direction = GradcheckDirection::kGradient;
  double analytic = 0;
  double numeric = 0;
  double error = 0;  // |numeric - analytic| in terms of the size expected in this direction
  bool ok = false;   // error <= kGradcheckTolerance; false for anything that is not finite
};

struct GradcheckReport {
  std::vector<GradcheckRow> rows;
  bool ok = false;  // every row
};

// fp32 losses are good to about 1e-7. At the best step that leaves differences good to 3e-4 along
// the gradient and 3e-3 along a random direction (measured on every preset); a wrong formula is off
// by a large part of the slope.
inline constexpr double kGradcheckTolerance = 0.01;

// A model of this shape with random weights everywhere (no zero projections), and a random batch.
// Not thread-safe. `context` must outlive it.
class GradientChecker {
 public:
  // codes: of a composite embedding. Error (kUsage) if the configuration is invalid or T exceeds
  // its context.
  GradientChecker(const ModelConfig& config, const ops::Context& context, int64_t B, int64_t T,
                  uint64_t seed, std::shared_ptr<const nn::CodeTable> codes = nullptr);

  const Transformer& model() const { return model_; }
  // The engine's gradient of the mean loss, laid out by model().parameters().
  std::vector<float> gradient();
  // Holds `gradient` against the differences. 40 evaluations of the batch per parameter.
  GradcheckReport check(const std::vector<float>& gradient);

 private:
  void fill_weights(uint64_t seed);
  double loss();
  double slope(const Parameter& parameter, const std::vector<float>& direction);
  GradcheckRow measure(const Parameter& parameter, const float* gradient,
                       GradcheckDirection direction);
  std::vector<float> unit_direction(const Parameter& parameter, const float* gradient,
                                    GradcheckDirection direction) const;

  int64_t B_, T_;
  uint64_t seed_;
  const std::vector<int32_t> tokens_, targets_;
  const Transformer model_;
  Session session_;
  Arena weights_, gradients_;
};

// GradientChecker on its own gradient.
GradcheckReport gradcheck(const ModelConfig& config, const ops::Context& context, int64_t B,
                          int64_t T, uint64_t seed,
                          std::shared_ptr<const nn::CodeTable> codes = nullptr);

}  // namespace cllm
