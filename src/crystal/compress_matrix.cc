#include "crystal/compress_matrix.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "crystal/cholesky.h"
#include "crystal/coded_matrix.h"
#include "crystal/hadamard.h"
#include "crystal/quantise_step.h"
#include "crystal/rans.h"

namespace cllm {
namespace {

// Weights that the search for the step looks at, unless it takes fewer rows than kFewestRows.
constexpr size_t kSampleWeights = 1 << 16;
constexpr size_t kFewestRows = 64;
// How far from the wanted entropy the whole matrix may end, and how often the step is mended.
constexpr double kPrecision = 0.01;
constexpr int kMostMends = 2;
// Of the mean of H's diagonal, added to it, and up to how much if that is not enough: H is a
// sample, and of low rank where there are few different inputs (behind the embedding of a small
// vocabulary), with rounding errors below zero there.
constexpr double kLeastDamping = 1e-5, kMostDamping = 1e-1;

// hessian + damping, positive definite to working precision if that can be had.
std::vector<double> damped(std::span<const double> hessian, size_t n, ThreadPool& pool) {
  double trace = 0;
  for (size_t i = 0; i < n; ++i)
    trace += hessian[i * n + i];
  for (double damping = kLeastDamping;; damping *= 10) {
    std::vector<double> result(hessian.begin(), hessian.end());
    for (size_t i = 0; i < n; ++i)
      result[i * n + i] += damping * trace / static_cast<double>(n);
    std::vector<double> factor = result;
    if (cholesky(factor, n, pool) || damping >= kMostDamping) return result;
  }
}

std::vector<double> rotated_hessian(const CompressProblem& problem, const RandomRotation& rotation,
                                    ThreadPool& pool) {
  const size_t n = problem.columns;
  if (problem.hessian.empty()) {
    std::vector<double> identity(n * n);
    for (size_t i = 0; i < n; ++i)
      identity[i * n + i] = 1;
    return identity;
  }
  std::vector<double> hessian = damped(problem.hessian, n, pool);
  rotation.apply_both_sides(hessian, pool);
  return hessian;
}

// Rows that are not zero, ascending.
std::vector<size_t> rows_in_use(const CompressProblem& problem) {
  std::vector<size_t> rows;
  for (size_t row = 0; row < problem.rows; ++row) {
    const auto weights = problem.weights.subspan(row * problem.columns, problem.columns);
    if (std::ranges::any_of(weights, [](float weight) { return weight != 0; })) rows.push_back(row);
  }
  return rows;
}

// The problem of these rows alone, rotated.
RotatedMatrix rotate_rows(const CompressProblem& problem, std::span<const size_t> rows,
                          uint64_t seed, ThreadPool& pool) {
  if (rows.size() == problem.rows) return rotate_matrix(problem, seed, pool);
  std::vector<float> weights;
  weights.reserve(rows.size() * problem.columns);
  for (const size_t row : rows) {
    const auto from = problem.weights.subspan(row * problem.columns, problem.columns);
    weights.insert(weights.end(), from.begin(), from.end());
  }
  CompressProblem part = problem;
  part.weights = weights;
  part.rows = rows.size();
  return rotate_matrix(part, seed, pool);
}

// integers [used rows, columns] = [rows, columns] with zeros between, within their own memory.
void spread_rows(std::span<const size_t> used, size_t rows, size_t columns,
                 std::vector<int32_t>& integers) {
  integers.resize(rows * columns);
  const auto begin = integers.begin();
  for (size_t i = used.size(); i-- > 0 && used[i] != i;) {
    const auto from = begin + static_cast<ptrdiff_t>(i * columns);
    std::copy_n(from, columns, begin + static_cast<ptrdiff_t>(used[i] * columns));
    std::fill_n(from, columns, 0);
  }
}

// The integers of a rotated problem at the wanted entropy, and their one scale.
Quantised quantise_at(const QuantiseProblem& rotated, double bits, const QuantiseOptions& options,
                      ThreadPool& pool) {
  const size_t sample = std::max(kFewestRows, kSampleWeights / rotated.columns);
  double step = step_for_entropy(rotated, bits, options, pool, sample);
  Quantised result = quantise(rotated, {&step, 1}, options, pool);
  for (int mend = 0; mend < kMostMends; ++mend) {
    const double excess = empirical_entropy(result.integers) - bits;
    // A sample of all rows was as near as it gets.
    if (std::abs(excess) <= kPrecision || sample >= rotated.rows) break;
    step *= std::exp2(excess);
    result = quantise(rotated, {&step, 1}, options, pool);
  }
  return result;
}

}  // namespace

RotatedMatrix rotate_matrix(const CompressProblem& problem, uint64_t seed, ThreadPool& pool) {
  CHECK_EQ(problem.weights.size(), problem.rows * problem.columns);
  const RandomRotation rotation(problem.columns, seed);
  RotatedMatrix rotated{.weights = {problem.weights.begin(), problem.weights.end()},
                        .hessian = rotated_hessian(problem, rotation, pool)};
  rotation.apply(rotated.weights, pool);
  return rotated;
}

std::vector<uint8_t> compress_matrix(const CompressProblem& problem, double bits,
                                     const QuantiseOptions& options, uint64_t seed,
                                     ThreadPool& pool) {
  CHECK_EQ(problem.weights.size(), problem.rows * problem.columns);
  const std::vector<size_t> used = rows_in_use(problem);
  Quantised result{.integers = {}, .scales = {1}};
  if (!used.empty()) {
    const RotatedMatrix matrix = rotate_rows(problem, used, seed, pool);
    QuantiseOptions wanted = options;
    if (problem.hessian.empty()) wanted.method = QuantiseMethod::kRtn;
    result = quantise_at({.weights = matrix.weights,
                          .rows = used.size(),
                          .columns = problem.columns,
                          .hessian = matrix.hessian},
                         bits, wanted, pool);
  }
  spread_rows(used, problem.rows, problem.columns, result.integers);
  return encode_matrix({.rows = problem.rows,
                        .columns = problem.columns,
                        .rotation_seed = seed,
                        .integers = std::move(result.integers),
                        .scales = std::move(result.scales)});
}

}  // namespace cllm
