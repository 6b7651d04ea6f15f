#include "crystal/quantise_step.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "base/check.h"
#include "crystal/rans.h"

namespace cllm {
namespace {

std::vector<float> spread_rows(const QuantiseProblem& problem, size_t rows) {
  std::vector<float> sample;
  for (size_t i = 0; i < rows; ++i) {
    const size_t row = i * problem.rows / rows;
    const auto first = problem.weights.begin() + static_cast<ptrdiff_t>(row * problem.columns);
    sample.insert(sample.end(), first, first + static_cast<ptrdiff_t>(problem.columns));
  }
  return sample;
}

// The log2 of the step in steps of the weights' deviation, and the entropy found there.
struct Trial {
  double position;
  double bits;
};

// Where a line through the trials on both sides reaches the entropy; the middle of them if they are
// far apart, so that a curve that is not a line cannot stall the search.
double between(const Trial& fine, const Trial& coarse, double bits, int round) {
  const double share = (fine.bits - bits) / (fine.bits - coarse.bits);
  const double kept = round % 3 == 2 ? 0.5 : std::clamp(share, 0.05, 0.95);
  return fine.position + kept * (coarse.position - fine.position);
}

}  // namespace

double step_for_entropy(const QuantiseProblem& problem, double bits, const QuantiseOptions& options,
                        ThreadPool& pool, size_t rows) {
  CHECK(bits > 0 && rows >= 1);
  constexpr int kMostRounds = 24;
  constexpr double kPrecision = 0.002;
  // Integers of finer steps would not fit in quantise's; weights that are all equal have no entropy
  // at any step.
  constexpr double kFinest = -16;
  const std::vector<float> sample = spread_rows(problem, std::min(rows, problem.rows));
  const QuantiseProblem part{.weights = sample,
                             .rows = sample.size() / problem.columns,
                             .columns = problem.columns,
                             .hessian = problem.hessian};
  double square = 0;
  for (const float w : sample)
    square += static_cast<double>(w) * w;
  if (!(square > 0)) return 1;
  const double deviation = std::sqrt(square / static_cast<double>(sample.size()));
  // Of a normal density at a high rate.
  double position = std::log2(2 * std::numbers::pi * std::numbers::e) / 2 - bits;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Trial fine{-kInfinity, kInfinity}, coarse{kInfinity, 0};
  for (int round = 0; round < kMostRounds; ++round) {
    const double step = deviation * std::exp2(position);
    const double found = empirical_entropy(quantise(part, {&step, 1}, options, pool).integers);
    if (std::abs(found - bits) <= kPrecision) break;
    (found > bits ? fine : coarse) = {position, found};
    if (fine.position > -kInfinity && coarse.position < kInfinity)
      position = between(fine, coarse, bits, round);
    else if (found < bits && position <= kFinest)
      break;
    else
      position = std::max(kFinest, position + (found > bits ? std::max(0.02, found - bits)
                                                            : std::min(-0.02, found - bits)));
  }
  return deviation * std::exp2(position);
}

}  // namespace cllm
