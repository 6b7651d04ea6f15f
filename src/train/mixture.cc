#include "train/mixture.h"

#include <cmath>

#include "base/check.h"

namespace cllm {
namespace {

// d log(w p + (1 - w) q) / dw = (p - q) / (w p + (1 - w) q), of p and q relative to the larger, so
// that neither vanishes with both.
double slope(double weight, std::span<const float> first, std::span<const float> second) {
  double sum = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    const double difference = static_cast<double>(first[i]) - static_cast<double>(second[i]);
    const double p = std::exp(-std::fmax(difference, 0)), q = std::exp(std::fmin(difference, 0));
    sum += (p - q) / (weight * p + (1 - weight) * q);
  }
  return sum;
}

}  // namespace

double best_mixture_weight(std::span<const float> first, std::span<const float> second) {
  CHECK_MSG(first.size() == second.size(), "{} and {} tokens", first.size(), second.size());
  double low = 0, high = 1;
  while (high - low > 1e-6) {
    const double middle = (low + high) / 2;
    (slope(middle, first, second) > 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

double mixture_loss(double weight, std::span<const float> first, std::span<const float> second) {
  double loss = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    const double a = static_cast<double>(first[i]), b = static_cast<double>(second[i]);
    const double less = std::fmin(a, b);
    loss += less - std::log(weight * std::exp(less - a) + (1 - weight) * std::exp(less - b));
  }
  return loss;
}

Mixture mix(std::span<const float> first, std::span<const float> second) {
  CHECK_MSG(first.size() == second.size() && first.size() >= 2, "{} and {} tokens", first.size(),
            second.size());
  const size_t half = first.size() / 2, rest = first.size() - half;
  Mixture mixture;
  mixture.weights = {best_mixture_weight(first.last(rest), second.last(rest)),
                     best_mixture_weight(first.first(half), second.first(half))};
  mixture.loss = mixture_loss(mixture.weights[0], first.first(half), second.first(half)) +
                 mixture_loss(mixture.weights[1], first.last(rest), second.last(rest));
  return mixture;
}

}  // namespace cllm
