// One weight matrix to a record of coded_matrix.h at a wanted rate: rotate the inputs, find the
// step, quantise, code.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "crystal/quantise.h"
#include "threads/pool.h"

namespace cllm {

struct CompressProblem {
  std::span<const float> weights;  // [rows, columns]
  size_t rows = 0, columns = 0;    // >= 1
  // [columns, columns], symmetric; empty: errors of all weights count alike. All methods round
  // then, since Z^n has no better basis than its own.
  std::span<const double> hessian;
};

// The problem as it is quantised: its inputs rotated, H damped so that it is positive definite to
// working precision wherever that can be had; the identity without one.
struct RotatedMatrix {
  std::vector<float> weights;   // [rows, columns]
  std::vector<double> hessian;  // [columns, columns]
};
RotatedMatrix rotate_matrix(const CompressProblem& problem, uint64_t seed, ThreadPool& pool);

// bits > 0: entropy per weight of the integers of rows that are not zero; rows that are stay so,
// and take a bit each. It is met within 0.01 bits or less by matrices that are not tiny; the record
// also holds the table and the step. seed: of the rotation. The same bytes for any number of
// threads. Errors as quantise.
std::vector<uint8_t> compress_matrix(const CompressProblem& problem, double bits,
                                     const QuantiseOptions& options, uint64_t seed,
                                     ThreadPool& pool);

}  // namespace cllm
