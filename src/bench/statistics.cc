#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/clock.h"

namespace cllm::bench {
namespace {

// sorted is not empty; share in [0, 1].
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

}  // namespace

Spread spread(std::vector<double> values) {
  if (values.empty()) return {};
  const auto count = static_cast<int64_t>(values.size());
  if (std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); })) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    return {nan, nan, nan, count};
  }
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75), count};
}

double median_ratio(const std::vector<double>& numerator, const std::vector<double>& denominator) {
  CHECK_MSG(!numerator.empty() && numerator.size() == denominator.size(), "{} and {} figures",
            numerator.size(), denominator.size());
  std::vector<double> ratios;
  for (size_t i = 0; i < numerator.size(); ++i)
    ratios.push_back(numerator[i] / denominator[i]);
  return spread(std::move(ratios)).median;
}

std::vector<std::vector<double>> interleave(int rounds, const std::vector<Subject>& subjects,
                                            const Progressed& progress) {
  CHECK_MSG(rounds >= 1, "rounds={}", rounds);
  std::vector<std::vector<double>> figures(subjects.size());
  const int64_t total = rounds * static_cast<int64_t>(subjects.size());
  int64_t done = 0;
  for (int round = 0; round < rounds; ++round)
    for (size_t i = 0; i < subjects.size(); ++i) {
      if (progress) progress(done++, total);
      figures[i].push_back(subjects[i]());
    }
  return figures;
}

double seconds_per_call(double least_seconds, const std::function<void()>& call) {
  const double start = steady_seconds();
  int64_t calls = 0;
  double passed = 0;
  do {
    call();
    ++calls;
    passed = steady_seconds() - start;
  } while (passed < least_seconds);
  return passed / static_cast<double>(calls);
}

}  // namespace cllm::bench
