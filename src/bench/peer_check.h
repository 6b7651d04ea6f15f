// Whether two programs did the same training: a benchmark of a peer that computes something else
// would say nothing.
#pragma once

#include <string>
#include <vector>

namespace cllm::bench {

// Of consecutive steps from the first on.
struct Curve {
  std::vector<double> losses;          // nats per token
  std::vector<double> gradient_norms;  // before clipping
};

// Largest accepted difference, relative to the larger of the two figures.
struct CurveTolerance {
  double loss = 0, gradient_norm = 0;
  double later_gradient_norm = 0;  // after the first step
};
// precision: fp32 or bf16.
CurveTolerance curve_tolerance(const std::string& precision);

// Error (kRuntime) that names the first step at which they differ by more than the tolerance (a NaN
// always does), or if one is shorter.
void require_same_curve(const Curve& ours, const Curve& theirs, const CurveTolerance& tolerance);

}  // namespace cllm::bench
