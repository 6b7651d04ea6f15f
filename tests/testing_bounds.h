// Error bounds that the kernels promise (kernels/rows.h), for deriving tolerances from.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/rows.h"
#include "testing_tables.h"

namespace cllm::testing {

// Relative error of a kernel's sum, in terms of the sum of magnitudes.
inline double sum_bound(const kernels::Table& table) {
  return (static_cast<double>(kernels::kSumBlock) / (4.0 * static_cast<double>(lanes_of(table))) +
          8) *
         kUnit;
}

template <class T>
double largest(const std::vector<T>& x) {
  double m = 0;
  for (const T value : x)
    m = std::max(m, std::abs(static_cast<double>(value)));
  return m;
}

}  // namespace cllm::testing
