// The plain truth of AdamW, in double, written as torch.optim.AdamW documents it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cllm::reference {

struct AdamWState {
  std::vector<double> weights, first, second;
};

// One step on all elements; step counts from 1.
inline void adamw(double beta1, double beta2, double epsilon, double weight_decay, int64_t step,
                  double learning_rate, const std::vector<double>& gradients, AdamWState& state) {
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(step));
  const double correction2 = 1 - std::pow(beta2, static_cast<double>(step));
  for (size_t i = 0; i < gradients.size(); ++i) {
    const double g = gradients[i];
    double& w = state.weights[i];
    w -= learning_rate * weight_decay * w;
    state.first[i] = beta1 * state.first[i] + (1 - beta1) * g;
    state.second[i] = beta2 * state.second[i] + (1 - beta2) * g * g;
    const double denominator = std::sqrt(state.second[i]) / std::sqrt(correction2) + epsilon;
    w -= learning_rate / correction1 * state.first[i] / denominator;
  }
}

}  // namespace cllm::reference
