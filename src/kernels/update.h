// Optimizer updates and norms over flat spans.
#pragma once

#include <cstdint>

namespace cllm::kernels {

// One step of AdamW, its scalars worked out beforehand in double (optim/optimizer.cc).
struct AdamWUpdate {
  float gradient_scale;   // each gradient is first multiplied by it
  float decay;            // learning_rate * weight_decay
  float first_rate;       // 1 - beta1
  float second_rate;      // 1 - beta2
  float root_correction;  // 1 / sqrt(1 - beta2^step)
  float epsilon;
  float step_size;  // learning_rate / (1 - beta1^step)
};

// One step of SGD with momentum and decoupled decay.
struct SgdUpdate {
  float gradient_scale;
  float momentum;
  float decay;  // learning_rate * weight_decay
  float learning_rate;
};

struct UpdateKernels {
  // With g = gradient_scale * gradients: first += first_rate (g - first), second += second_rate
  // (g^2 - second), weights = weights - decay weights - step_size first / (sqrt(second)
  // root_correction + epsilon). All [n]. Rates near zero are exact to rounding where 1 - rate would
  // not be.
  void (*adamw)(const AdamWUpdate* update, int64_t n, const float* gradients, float* weights,
                float* first, float* second);
  // velocity = momentum velocity + gradient_scale gradients, weights = weights - decay weights
  // - learning_rate velocity. All [n].
  void (*sgd)(const SgdUpdate* update, int64_t n, const float* gradients, float* weights,
              float* velocity);
  // Returns the sum of x^2 over [0, n); error bound in kernels/rows.h. A square that overflows
  // fp32, NaN or infinity makes it non-finite.
  double (*sum_of_squares)(int64_t n, const float* x);
};

}  // namespace cllm::kernels
