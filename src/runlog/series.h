// A measured curve made small and smooth enough to draw. A point whose y is not finite is a gap:
// the line is broken there.
#pragma once

#include <vector>

namespace cllm {

struct Point {
  double x = 0;
  double y = 0;
};
using Series = std::vector<Point>;  // ascending x

// At most about 2 * buckets points that draw the same picture: the minimum and the maximum of every
// one of `buckets` equal intervals of x. Gaps longer than an interval stay. O(points).
Series downsample(const Series& series, int buckets);

// `positions` equally spaced values of the curve's trend: at each a straight line is fitted to the
// neighbours by least squares with tricube weights (Cleveland's LOWESS, 1979), which, unlike a
// moving average, neither lags on a falling curve nor bends at its ends. `width`: the share of the
// x range that the neighbours on either side take up. O(points * positions * width).
Series smooth(const Series& series, int positions, double width);

// The finite y of the series, ascending.
std::vector<double> sorted_values(const Series& series);

// The q-quantile (0..1) of sorted values; they must not be empty.
double quantile(const std::vector<double>& sorted, double q);

}  // namespace cllm
