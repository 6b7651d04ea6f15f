#include "crystal/stream_basis.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "crystal/symmetric_eigen.h"

namespace cllm {
namespace {

// row [n] = H row, H = I - 2 v v^T / v^T v the reflection that swaps the first axis and the
// direction of the mean, (1, ..., 1) / sqrt(n).
void swap_mean_and_axis(std::span<double> row) {
  const size_t n = row.size();
  if (n == 1) return;  // they are the same
  const double mean = 1 / std::sqrt(static_cast<double>(n));
  // v = axis - mean direction; v^T v = 2 (1 - mean).
  double dot = row[0];
  for (const double x : row)
    dot -= mean * x;
  const double factor = dot / (1 - mean);
  row[0] -= factor;
  for (double& x : row)
    x += factor * mean;
}

}  // namespace

void centre_both_sides(std::span<double> moment, size_t n) {
  CHECK_EQ(moment.size(), n * n);
  const auto size = static_cast<double>(n);
  std::vector<double> means(n);
  double mean = 0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j)
      means[i] += moment[i * n + j] / size;
    mean += means[i] / size;
  }
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j)
      moment[i * n + j] += mean - means[i] - means[j];
}

StreamBasis leading_coordinates(size_t from, size_t to) {
  CHECK(to >= 1 && to <= from);
  StreamBasis basis{.from = from, .to = to, .columns = std::vector<double>(from * to)};
  for (size_t i = 0; i < to; ++i)
    basis.columns[i * to + i] = 1;
  return basis;
}

StreamBasis principal_directions(std::span<const double> moment, size_t from, size_t to,
                                 bool centred, ThreadPool& pool) {
  CHECK(to >= 1 && to <= from && moment.size() == from * from);
  std::vector<double> searched(moment.begin(), moment.end());
  if (centred) {
    centre_both_sides(searched, from);
    // The mean's direction comes first: its eigenvalue, now zero, becomes the largest by far.
    double trace = 0;
    for (size_t i = 0; i < from; ++i)
      trace += searched[i * from + i];
    for (double& entry : searched)
      entry += (trace > 0 ? 2 * trace : 1) / static_cast<double>(from);
  }
  const SymmetricEigen eigen = symmetric_eigen(searched, from, pool);
  StreamBasis basis{.from = from, .to = to, .columns = std::vector<double>(from * to)};
  for (size_t w = 0; w < to; ++w)
    for (size_t c = 0; c < from; ++c)
      basis.columns[c * to + w] = eigen.vectors[w * from + c];
  if (!centred) return basis;
  for (size_t c = 0; c < from; ++c) {
    // Exactly the mean, with its sign.
    basis.columns[c * to] = 1 / std::sqrt(static_cast<double>(from));
    swap_mean_and_axis(std::span(basis.columns).subspan(c * to, to));
  }
  return basis;
}

double kept_share(std::span<const double> moment, const StreamBasis& basis, bool centred,
                  ThreadPool& pool) {
  const size_t C = basis.from, W = basis.to;
  CHECK_EQ(moment.size(), C * C);
  std::vector<double> kept(C);          // parts of tr(R^T S R), row by row of R
  std::vector<double> products(C * W);  // S R
  pool.parallel_for(static_cast<int64_t>(C), [&](int64_t task, int) {
    const auto c = static_cast<size_t>(task);
    double* const product = products.data() + c * W;
    for (size_t j = 0; j < C; ++j)
      for (size_t w = 0; w < W; ++w)
        product[w] += moment[c * C + j] * basis.columns[j * W + w];
    double of_mean = 0, mean = 0;
    for (size_t w = 0; w < W; ++w) {
      kept[c] += product[w] * basis.columns[c * W + w];
      of_mean += basis.columns[c * W + w];
      mean += product[w];
    }
    if (centred) kept[c] -= of_mean * mean / static_cast<double>(W);
  });
  double sum = 0, trace = 0;
  for (size_t c = 0; c < C; ++c) {
    sum += kept[c];
    trace += moment[c * C + c];
  }
  // Of coordinates that hold nothing, rounding can leave less.
  return trace > 0 ? std::max(sum / trace, 0.0) : 1;
}

}  // namespace cllm
