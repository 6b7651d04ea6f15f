// The quadratic form in which quantise.h searches: the Hessian scaled to trace n, augmented by the
// rate, and factored.
#pragma once

#include <span>
#include <vector>

#include "crystal/quantise.h"

namespace cllm {

struct QuantiseMetric {
  size_t columns = 0;
  double mu = 0;               // of the augmentation; 0 without
  std::vector<double> factor;  // L [n, n], L L^T = n H / trace(H) + mu I; empty for the identity

  // target [n] = (H + mu I)^-1 H target; work: n elements that are overwritten.
  void shrink(std::span<double> target, std::span<double> work) const;
};

struct MetricOptions {
  bool identity = false;  // take I for H
  bool augment = true;
};

// Error (kData) if the form is not positive definite.
QuantiseMetric make_metric(const QuantiseProblem& problem, std::span<const double> steps,
                           const MetricOptions& options, ThreadPool& pool);

}  // namespace cllm
