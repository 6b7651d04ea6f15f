// What the tests of quantisers share: Hessians of a given spectrum, normal weights, and the bound
// of information theory on their rate.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/philox.h"
#include "crystal/quantise.h"
#include "crystal/quantise_step.h"
#include "crystal/rans.h"

namespace cllm::testing {

// A random orthogonal matrix [n, n]: Gram and Schmidt, twice, on normal vectors.
inline std::vector<double> random_orthogonal(size_t n, uint64_t seed) {
  const Philox source(seed, RandomStream::kTest);
  std::vector<double> q(n * n);
  for (size_t i = 0; i < n * n; ++i)
    q[i] = source.normal(3, i);
  for (size_t i = 0; i < n; ++i) {
    double* const row = q.data() + i * n;
    for (size_t j = 0; j < 2 * i; ++j) {
      const double* const other = q.data() + (j % i) * n;
      double dot = 0;
      for (size_t c = 0; c < n; ++c)
        dot += row[c] * other[c];
      for (size_t c = 0; c < n; ++c)
        row[c] -= dot * other[c];
    }
    double norm = 0;
    for (size_t c = 0; c < n; ++c)
      norm += row[c] * row[c];
    for (size_t c = 0; c < n; ++c)
      row[c] /= std::sqrt(norm);
  }
  return q;
}

// Q^T diag(eigenvalues) Q.
inline std::vector<double> hessian_of(const std::vector<double>& eigenvalues, uint64_t seed) {
  const size_t n = eigenvalues.size();
  const std::vector<double> q = random_orthogonal(n, seed);
  std::vector<double> h(n * n);
  for (size_t k = 0; k < n; ++k)
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j)
        h[i * n + j] += eigenvalues[k] * (q[k * n + i] * q[k * n + j]);
  return h;
}

inline std::vector<double> power_law(size_t n, double exponent) {
  std::vector<double> values(n);
  for (size_t k = 0; k < n; ++k)
    values[k] = std::pow(static_cast<double>(k + 1), -exponent);
  return values;
}

// Eigenvalues of the Toeplitz matrix rho^|i - j|: (1 - rho^2) / (1 - 2 rho cos t + rho^2), where t
// runs over the n roots of sin((n + 1) t) - 2 rho sin(n t) + rho^2 sin((n - 1) t) in (0, pi), one
// between each k pi / (n + 1) (Kac, Murdock, Szego 1953).
inline std::vector<double> autoregressive(size_t n, double rho) {
  const auto size = static_cast<double>(n);
  const auto function = [&](double t) {
    return std::sin((size + 1) * t) - 2 * rho * std::sin(size * t) +
           rho * rho * std::sin((size - 1) * t);
  };
  std::vector<double> values(n);
  for (size_t k = 0; k < n; ++k) {
    const double width = std::acos(-1.0) / (size + 1);
    double low = std::max(1e-9, static_cast<double>(k) * width);
    double high = static_cast<double>(k + 1) * width;
    const bool rising = function(high) > 0;
    for (int i = 0; i < 80; ++i) {
      const double middle = (low + high) / 2;
      ((function(middle) > 0) == rising ? high : low) = middle;
    }
    values[k] = (1 - rho * rho) / (1 - 2 * rho * std::cos(low) + rho * rho);
  }
  return values;
}

// Bits per weight at which independent normal weights of variance 1 can be coded with the mean of
// (w - v)^T H (w - v) / n at `error`: reverse water-filling over H's eigenvalues (Kolmogorov 1956).
inline double rate_bound(const std::vector<double>& eigenvalues, double error) {
  const auto n = static_cast<double>(eigenvalues.size());
  double low = 0, high = *std::ranges::max_element(eigenvalues);
  for (int i = 0; i < 200; ++i) {
    const double level = (low + high) / 2;
    double reached = 0;
    for (const double value : eigenvalues)
      reached += std::min(level, value) / n;
    (reached < error ? low : high) = level;
  }
  double bits = 0;
  for (const double value : eigenvalues)
    bits += std::max(0.0, std::log2(value / low) / 2) / n;
  return bits;
}

inline std::vector<float> normal_weights(size_t count, uint64_t seed) {
  const Philox source(seed, RandomStream::kTest);
  std::vector<float> w(count);
  for (size_t i = 0; i < count; ++i)
    w[i] = static_cast<float>(source.normal(4, i));
  return w;
}

// Entropy of the integers at the step that gives `bits`, minus the bound at the error reached;
// averaged over `hessians` random rotations of the spectrum with `rows` rows of weights each.
inline double measure_gap(const std::vector<double>& eigenvalues, double bits,
                          const QuantiseOptions& options, size_t hessians, size_t rows,
                          ThreadPool& pool) {
  const size_t n = eigenvalues.size();
  double gap = 0;
  for (size_t seed = 1; seed <= hessians; ++seed) {
    const std::vector<double> h = hessian_of(eigenvalues, seed);
    const std::vector<float> w = normal_weights(rows * n, seed);
    const QuantiseProblem problem{.weights = w, .rows = rows, .columns = n, .hessian = h};
    const double step = step_for_entropy(problem, bits, options, pool, 64);
    const Quantised result = quantise(problem, {&step, 1}, options, pool);
    const double error = result.error / static_cast<double>(rows * n);
    gap += empirical_entropy(result.integers) - rate_bound(eigenvalues, error);
  }
  return gap / static_cast<double>(hessians);
}

}  // namespace cllm::testing
