// The same quantised rows in two bases of their lattice: how many bytes the integers take in the
// basis of the weights themselves, where this program codes them, and in the LLL-reduced basis of
// the lattice of H, in which the search goes. The points, and so the errors, are the same.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "crystal/quantise_metric.h"
#include "crystal/quantise_step.h"
#include "crystal/rans.h"
#include "lattice/exact_linear.h"
#include "lattice/reduce.h"

namespace cllm::testing {

// Bits per weight.
struct CoordinateCost {
  double entropy = 0;            // of all integers together
  double coded = 0;              // by rANS, one table, the table included
  double entropy_by_column = 0;  // each coordinate with probabilities of its own, tables left out
};

struct CoordinateReport {
  double error = 0;  // e^T H e per weight
  CoordinateCost original, reduced;
};

inline CoordinateCost cost_of(const std::vector<int32_t>& integers, size_t columns) {
  CoordinateCost cost{.entropy = empirical_entropy(integers)};
  const RansTable table = RansTable::fit(integers);
  std::vector<uint8_t> bytes = table.encode(integers);
  table.append_to(bytes);
  cost.coded = 8 * static_cast<double>(bytes.size()) / static_cast<double>(integers.size());
  for (size_t column = 0; column < columns; ++column) {
    std::vector<int32_t> values;
    for (size_t i = column; i < integers.size(); i += columns)
      values.push_back(integers[i]);
    cost.entropy_by_column += empirical_entropy(values) / static_cast<double>(columns);
  }
  return cost;
}

// Integers [rows, n] in the reduced basis: y with y U = z, found and checked in exact arithmetic.
inline std::vector<int32_t> reduced_coordinates(const std::vector<int32_t>& integers,
                                                const QuantiseMetric& metric) {
  const size_t n = metric.columns, rows = integers.size() / n;
  lattice::RealMatrix basis(n, n);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      basis(i, j) = metric.factor[i * n + j];
  const lattice::IntegerMatrix transform = lattice::reduce_real(basis).transform;
  lattice::IntegerMatrix points(rows, n);
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < n; ++j)
      points(i, j) = integers[i * n + j];
  const std::optional<lattice::IntegerMatrix> found = lattice::find_transform(transform, points);
  CHECK(found.has_value());
  std::vector<int32_t> result;
  for (const mpz_class& value : found->elements()) {
    CHECK(value.fits_sint_p());
    result.push_back(static_cast<int32_t>(value.get_si()));
  }
  return result;
}

// At a step that gives `bits` of entropy in the original basis; the nearest points are looked for
// by lll-kbest in one lattice of all columns.
inline CoordinateReport compare_coordinates(const QuantiseProblem& problem, double bits,
                                            ThreadPool& pool) {
  const QuantiseOptions options{
      .method = QuantiseMethod::kLllKbest, .augment = true, .block = problem.columns, .width = 16};
  const double step = step_for_entropy(problem, bits, options, pool);
  const Quantised result = quantise(problem, {&step, 1}, options, pool);
  const QuantiseMetric metric = make_metric(problem, {&step, 1}, {.augment = true}, pool);
  CoordinateReport report;
  report.error = result.error / static_cast<double>(problem.weights.size());
  report.original = cost_of(result.integers, problem.columns);
  report.reduced = cost_of(reduced_coordinates(result.integers, metric), problem.columns);
  return report;
}

}  // namespace cllm::testing
