#include "crystal/quantise_metric.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "crystal/cholesky.h"

namespace cllm {
namespace {

// The mean squared error of a step of one, 1 / 12, over that of a weight, in steps.
double relative_error(const QuantiseProblem& problem, std::span<const double> steps) {
  double weights = 0, squares = 0;
  for (const float w : problem.weights)
    weights += static_cast<double>(w) * w;
  for (const double step : steps)
    squares += step * step;
  weights /= static_cast<double>(problem.weights.size());
  squares /= static_cast<double>(steps.size());
  // At the zero rate the water stands above everything; so it does for weights that are all zero.
  return std::min(squares / 12 / std::max(weights, 1e-300), 1.0);
}

Error not_definite(double mu) {
  return Error(ErrorKind::kData, "Hessian",
               mu > 0 ? "has a negative eigenvalue" : "is not positive definite",
               mu > 0 ? "check the calibration" : "calibrate on more text, or augment it");
}

// scaled + mu I, factored.
std::vector<double> factored(const std::vector<double>& scaled, size_t n, double mu,
                             ThreadPool& pool) {
  std::vector<double> factor = scaled;
  for (size_t i = 0; i < n; ++i)
    factor[i * n + i] += mu;
  if (!cholesky(factor, n, pool)) throw not_definite(mu);
  return factor;
}

std::vector<double> scaled_hessian(const QuantiseProblem& problem) {
  const size_t n = problem.columns;
  double trace = 0;
  for (size_t i = 0; i < n; ++i)
    trace += problem.hessian[i * n + i];
  if (!(trace > 0)) throw not_definite(0);
  std::vector<double> scaled(problem.hessian.begin(), problem.hessian.end());
  for (double& entry : scaled)
    entry *= static_cast<double>(n) / trace;
  return scaled;
}

}  // namespace

void QuantiseMetric::shrink(std::span<double> target, std::span<double> work) const {
  if (mu == 0) return;
  if (factor.empty()) {
    for (double& x : target)
      x /= 1 + mu;
    return;
  }
  // H = (H + mu I) - mu I.
  std::ranges::copy(target, work.begin());
  cholesky_solve(factor, work);
  for (size_t i = 0; i < target.size(); ++i)
    target[i] -= mu * work[i];
}

QuantiseMetric make_metric(const QuantiseProblem& problem, std::span<const double> steps,
                           const MetricOptions& options, ThreadPool& pool) {
  const size_t n = problem.columns;
  QuantiseMetric metric{.columns = n, .mu = 0, .factor = {}};
  const std::vector<double> scaled =
      options.identity ? std::vector<double>() : scaled_hessian(problem);
  // The right side of mu's equation grows slower than mu, so the iteration converges; at rates near
  // zero it would take long, and mu hardly matters.
  constexpr int kMostRounds = 12;
  constexpr double kPrecision = 1e-2;
  if (options.augment) {
    const double relative = relative_error(problem, steps);
    metric.mu = relative;
    for (int round = 0; round < kMostRounds; ++round) {
      double level = 1 + metric.mu;
      if (!options.identity) {
        metric.factor = factored(scaled, n, metric.mu, pool);
        level = std::exp(log_determinant(metric.factor, n) / static_cast<double>(n));
      }
      const double before = metric.mu;
      metric.mu = relative * level;
      if (std::abs(metric.mu - before) <= kPrecision * before) break;
    }
  }
  if (!options.identity) metric.factor = factored(scaled, n, metric.mu, pool);
  return metric;
}

}  // namespace cllm
