#include "bench/median_interval.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "bench/statistics.h"

namespace cllm::bench {
namespace {

// P(X = k) for n tosses of a fair coin.
double binomial_half(int n, int k) {
  return std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) -
                  n * std::log(2.0));
}

}  // namespace

MedianInterval median_interval(std::vector<double> values, double confidence) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const auto n = static_cast<int>(values.size());
  MedianInterval interval;
  interval.median = spread(values).median;
  // The k-th smallest and largest miss the median if fewer than k tosses fall on one side.
  double outside = 0;
  for (int k = 1; 2 * k <= n + 1; ++k) {
    outside += 2 * binomial_half(n, k - 1);
    if (k > 1 && 1 - outside < confidence) break;
    interval.low = values[static_cast<size_t>(k - 1)];
    interval.high = values[static_cast<size_t>(n - k)];
    interval.confidence = std::max(0.0, 1 - outside);
  }
  return interval;
}

}  // namespace cllm::bench
