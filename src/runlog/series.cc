#include "runlog/series.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "base/check.h"

namespace cllm {
namespace {

constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

// The local straight line at x, from the points [first, last) that lie within `reach` of x; a gap
// if none of them is within `near` of x.
double local_fit(const Series& series, size_t first, size_t last, double x, double reach,
                 double near) {
  double weight = 0, sum_u = 0, sum_y = 0, sum_uu = 0, sum_uy = 0;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  double nearest = low;
  for (size_t i = first; i < last; ++i) {
    const double u = (series[i].x - x) / reach;
    if (!std::isfinite(series[i].y) || std::abs(u) >= 1) continue;
    const double t = 1 - std::abs(u * u * u);
    const double w = t * t * t;
    weight += w;
    sum_u += w * u;
    sum_y += w * series[i].y;
    sum_uu += w * u * u;
    sum_uy += w * u * series[i].y;
    low = std::min(low, series[i].y);
    high = std::max(high, series[i].y);
    nearest = std::min(nearest, std::abs(series[i].x - x));
  }
  if (!(nearest <= near)) return kGap;
  const double determinant = weight * sum_uu - sum_u * sum_u;
  if (determinant < 1e-9 * weight * weight) return sum_y / weight;
  // Beside a gap or a jump the line extrapolates; it must not leave the values it came from.
  return std::clamp((sum_uu * sum_y - sum_u * sum_uy) / determinant, low, high);
}

}  // namespace

Series downsample(const Series& series, int buckets) {
  CHECK(buckets >= 1);
  if (series.size() <= 2 * static_cast<size_t>(buckets)) return series;
  const double begin = series.front().x;
  const double scale = buckets / std::max(series.back().x - begin, 1e-300);
  const auto bucket_of = [&](size_t i) {
    return std::min(buckets - 1, static_cast<int>((series[i].x - begin) * scale));
  };
  Series small;
  for (size_t i = 0; i < series.size();) {
    const int bucket = bucket_of(i);
    const size_t first = i;
    size_t low = series.size(), high = series.size();
    for (; i < series.size() && bucket_of(i) == bucket; ++i) {
      if (!std::isfinite(series[i].y)) continue;
      if (low == series.size() || series[i].y < series[low].y) low = i;
      if (high == series.size() || series[i].y > series[high].y) high = i;
    }
    if (low == series.size()) {
      small.push_back({series[first].x, kGap});
      continue;
    }
    small.push_back(series[std::min(low, high)]);
    if (low != high) small.push_back(series[std::max(low, high)]);
  }
  return small;
}

Series smooth(const Series& series, int positions, double width) {
  CHECK(positions >= 2);
  if (series.size() < 2) return {};
  const double begin = series.front().x;
  const double span = series.back().x - begin;
  // Sparse curves: at least four records on either side.
  const double spacing = span / static_cast<double>(series.size() - 1);
  const double reach = std::max({span * width, spacing * 4, 1e-300});
  const double near = std::max(span / (positions - 1), spacing) * 1.001;
  Series trend;
  size_t first = 0, last = 0;
  for (int k = 0; k < positions; ++k) {
    const double x = begin + span * k / (positions - 1);
    while (first < series.size() && series[first].x < x - reach)
      ++first;
    while (last < series.size() && series[last].x <= x + reach)
      ++last;
    trend.push_back({x, local_fit(series, first, last, x, reach, near)});
  }
  return trend;
}

std::vector<double> sorted_values(const Series& series) {
  std::vector<double> values;
  values.reserve(series.size());
  for (const Point& point : series)
    if (std::isfinite(point.y)) values.push_back(point.y);
  std::sort(values.begin(), values.end());
  return values;
}

double quantile(const std::vector<double>& sorted, double q) {
  CHECK(!sorted.empty());
  return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

}  // namespace cllm
