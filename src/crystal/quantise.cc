#include "crystal/quantise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/check.h"
#include "base/error.h"
#include "crystal/column_lattice.h"
#include "crystal/quantise_metric.h"

namespace cllm {
namespace {

constexpr double kLargestInteger = 0x1p24;
constexpr std::array<std::string_view, 4> kNames = {"rtn", "gptq", "lll-babai", "lll-kbest"};

// What the least squares of the scale need of a row, q = step * z and e = w - q.
struct RowSums {
  double error = 0;  // e^T H e
  double cross = 0;  // q^T H e
  double norm = 0;   // q^T H q
  bool fits = true;  // integers within kLargestInteger
};

// Everything that rows share, and a work space for each thread.
class RowQuantiser {
 public:
  RowQuantiser(const QuantiseProblem& problem, std::span<const double> steps,
               const QuantiseOptions& options, ThreadPool& pool)
      : problem_(problem),
        steps_(steps),
        lattices_(options.method != QuantiseMethod::kRtn),
        metric_(make_metric(problem, steps, {.identity = !lattices_, .augment = options.augment},
                            pool)) {
    const bool reduced = options.method != QuantiseMethod::kGptq;
    for (size_t first = 0; lattices_ && first < problem.columns; first += options.block)
      blocks_.emplace_back(metric_.factor, problem.columns, first,
                           std::min(options.block, problem.columns - first), reduced);
    const size_t width = options.method == QuantiseMethod::kLllKbest ? options.width : 1;
    for (int worker = 0; worker < pool.size(); ++worker)
      workers_.emplace_back(problem.columns, blocks_, width);
  }

  RowSums run(size_t row, int worker_index, std::span<int32_t> integers) {
    Worker& worker = workers_[static_cast<size_t>(worker_index)];
    const size_t n = problem_.columns;
    const double step = steps_[steps_.size() == 1 ? 0 : row];
    const std::span<const float> weights = problem_.weights.subspan(row * n, n);
    for (size_t i = 0; i < n; ++i)
      worker.rest[i] = weights[i] / step;
    metric_.shrink(worker.rest, worker.shrunk);
    for (size_t block = blocks_.size(); block-- > 0;)
      worker.searches[block].run(
          worker.rest,
          std::span(worker.integers).subspan(blocks_[block].first(), blocks_[block].size()));
    if (!lattices_)
      std::ranges::transform(worker.rest, worker.integers.begin(),
                             [](double x) { return std::nearbyint(x); });
    for (const double integer : worker.integers)
      if (!(std::abs(integer) <= kLargestInteger)) return {.fits = false};
    std::ranges::transform(worker.integers, integers.begin(),
                           [](double x) { return static_cast<int32_t>(x); });
    return sums_of(weights, step, worker);
  }

 private:
  struct Worker {
    Worker(size_t n, const std::vector<ColumnLattice>& blocks, size_t width)
        : rest(n), shrunk(n), integers(n) {
      for (const ColumnLattice& block : blocks)
        searches.emplace_back(block, width);
    }
    std::vector<ColumnLattice::Search> searches;
    std::vector<double> rest, shrunk, integers;
  };

  RowSums sums_of(std::span<const float> weights, double step, Worker& worker) const {
    const size_t n = weights.size();
    std::vector<double>& point = worker.integers;
    std::vector<double>& error = worker.rest;
    for (size_t i = 0; i < n; ++i) {
      point[i] *= step;
      error[i] = weights[i] - point[i];
    }
    RowSums sums;
    for (size_t i = 0; i < n; ++i) {
      const double* const h = problem_.hessian.data() + i * n;
      double of_error = 0, of_point = 0;
      for (size_t j = 0; j < n; ++j) {
        of_error += h[j] * error[j];
        of_point += h[j] * point[j];
      }
      sums.error += error[i] * of_error;
      sums.cross += point[i] * of_error;
      sums.norm += point[i] * of_point;
    }
    return sums;
  }

  const QuantiseProblem& problem_;
  std::span<const double> steps_;
  bool lattices_;
  QuantiseMetric metric_;
  std::vector<ColumnLattice> blocks_;
  std::vector<Worker> workers_;
};

void check_problem(const QuantiseProblem& problem, std::span<const double> steps,
                   const QuantiseOptions& options) {
  CHECK(problem.rows >= 1 && problem.columns >= 1 && options.block >= 1 && options.width >= 1);
  CHECK_EQ(problem.weights.size(), problem.rows * problem.columns);
  CHECK_EQ(problem.hessian.size(), problem.columns * problem.columns);
  CHECK(steps.size() == 1 || steps.size() == problem.rows);
  for (const double step : steps)
    CHECK_MSG(step > 0 && std::isfinite(step), "step {}", step);
  for (const float weight : problem.weights)
    if (!std::isfinite(weight))
      throw Error(ErrorKind::kData, "weights", "one is not finite", "check the checkpoint");
  for (const double entry : problem.hessian)
    if (!std::isfinite(entry))
      throw Error(ErrorKind::kData, "Hessian", "an entry is not finite",
                  "check the checkpoint and the calibration text");
}

// The scale of the rows [first, last), and the error that it leaves.
float fit_scale(std::span<const RowSums> rows, double step, double& error) {
  RowSums sum;
  for (const RowSums& row : rows) {
    sum.error += row.error;
    sum.cross += row.cross;
    sum.norm += row.norm;
  }
  const double factor = sum.norm > 0 ? 1 + sum.cross / sum.norm : 1;
  const auto scale = static_cast<float>(factor * step);
  const double change = scale / step - 1;
  error += sum.error - 2 * change * sum.cross + change * change * sum.norm;
  return scale;
}

}  // namespace

std::string_view quantise_method_name(QuantiseMethod method) {
  return kNames[static_cast<size_t>(method)];
}

QuantiseMethod quantise_method_by_name(std::string_view name) {
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end())
    throw Error(ErrorKind::kUsage, "method", fmt::format("'{}' is not known", name),
                "use rtn, gptq, lll-babai or lll-kbest");
  return static_cast<QuantiseMethod>(found - kNames.begin());
}

Quantised quantise(const QuantiseProblem& problem, std::span<const double> steps,
                   const QuantiseOptions& options, ThreadPool& pool) {
  check_problem(problem, steps, options);
  RowQuantiser quantiser(problem, steps, options, pool);
  Quantised result{.integers = std::vector<int32_t>(problem.weights.size()), .scales = {}};
  std::vector<RowSums> sums(problem.rows);
  pool.parallel_for(static_cast<int64_t>(problem.rows), [&](int64_t task, int worker) {
    const auto row = static_cast<size_t>(task);
    sums[row] = quantiser.run(
        row, worker, std::span(result.integers).subspan(row * problem.columns, problem.columns));
  });
  for (const RowSums& row : sums)
    if (!row.fits)
      throw Error(ErrorKind::kData, "weights", "the step is too small: an integer passes 2^24",
                  "quantise to fewer bits");
  const size_t shared = steps.size() == 1 ? problem.rows : 1;
  for (size_t i = 0; i < steps.size(); ++i)
    result.scales.push_back(
        fit_scale(std::span(sums).subspan(i * shared, shared), steps[i], result.error));
  return result;
}

void dequantise(std::span<const int32_t> integers, std::span<const float> scales,
                std::span<float> weights) {
  CHECK(integers.size() == weights.size() && !scales.empty() &&
        integers.size() % scales.size() == 0);
  const size_t shared = integers.size() / scales.size();
  for (size_t i = 0; i < integers.size(); ++i)
    weights[i] = scales[i / shared] * static_cast<float>(integers[i]);
}

}  // namespace cllm
