#include "crystal/cholesky.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace cllm {
namespace {

// Eight sums side by side: one alone would wait for its own last addition.
double dot(const double* a, const double* b, size_t n) {
  double sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (size_t lane = 0; lane < 8; ++lane)
      sums[lane] += a[i + lane] * b[i + lane];
  for (; i < n; ++i)
    sums[0] += a[i] * b[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

// Columns [first, last) of row i, given all rows above last and the columns before first.
void finish_row(double* matrix, size_t n, size_t i, size_t first, size_t last) {
  double* const row = matrix + i * n;
  for (size_t j = first; j < std::min(i, last); ++j) {
    const double* const other = matrix + j * n;
    row[j] = (row[j] - dot(row, other, j)) / other[j];
  }
}

}  // namespace

bool cholesky(std::span<double> matrix, size_t n, ThreadPool& pool) {
  CHECK_EQ(matrix.size(), n * n);
  constexpr size_t kColumns = 32;  // factored at once, between two meetings of the threads
  double* const a = matrix.data();
  for (size_t first = 0; first < n; first += kColumns) {
    const size_t last = std::min(n, first + kColumns);
    for (size_t i = first; i < last; ++i) {
      finish_row(a, n, i, first, last);
      double* const row = a + i * n;
      const double rest = row[i] - dot(row, row, i);
      // What is left of a dependent row is rounding.
      if (!(rest > row[i] * static_cast<double>(n) * 0x1p-52) || !std::isfinite(rest)) return false;
      row[i] = std::sqrt(rest);
      std::fill(row + i + 1, row + n, 0.0);
    }
    pool.parallel_for(static_cast<int64_t>(n - last), [&](int64_t task, int) {
      finish_row(a, n, last + static_cast<size_t>(task), first, last);
    });
  }
  return true;
}

void cholesky_solve(std::span<const double> factor, std::span<double> x) {
  const size_t n = x.size();
  CHECK_EQ(factor.size(), n * n);
  for (size_t i = 0; i < n; ++i)
    x[i] = (x[i] - dot(factor.data() + i * n, x.data(), i)) / factor[i * n + i];
  for (size_t i = n; i-- > 0;) {
    const double* const row = factor.data() + i * n;
    x[i] /= row[i];
    for (size_t j = 0; j < i; ++j)
      x[j] -= row[j] * x[i];
  }
}

double log_determinant(std::span<const double> factor, size_t n) {
  CHECK_EQ(factor.size(), n * n);
  double sum = 0;
  for (size_t i = 0; i < n; ++i)
    sum += std::log(factor[i * n + i]);
  return 2 * sum;
}

}  // namespace cllm
