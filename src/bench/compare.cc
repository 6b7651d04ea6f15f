#include "bench/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace cllm::bench {
namespace {

constexpr size_t kExactSamples = 60;

struct Ranked {
  std::vector<int64_t> ranks;  // twice the mid-rank of every value, those of `a` first
  double ties = 0;             // sum of t^3 - t over groups of t equal values
};

Ranked rank(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> all = a;
  all.insert(all.end(), b.begin(), b.end());
  std::vector<double> sorted = all;
  std::sort(sorted.begin(), sorted.end());
  Ranked ranked;
  for (const double value : all) {
    CHECK(!std::isnan(value));
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), value);
    // Places first + 1 .. last, so twice their mean is first + 1 + last.
    ranked.ranks.push_back((first - sorted.begin()) + 1 + (last - sorted.begin()));
    const auto equal = static_cast<double>(last - first);
    ranked.ties += equal * equal - 1;  // once per member: t (t^2 - 1) for the group
  }
  return ranked;
}

// P(|sum - mean| >= |observed - mean|) over all choices of n of the ranks, by counting.
double exact(const std::vector<int64_t>& ranks, size_t n) {
  int64_t total = 0, observed = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    total += ranks[i];
    if (i < n) observed += ranks[i];
  }
  // ways[k][s]: choices of k ranks with sum s. As doubles: shares of them are all that is needed.
  std::vector<std::vector<double>> ways(n + 1,
                                        std::vector<double>(static_cast<size_t>(total) + 1, 0.0));
  ways[0][0] = 1;
  for (const int64_t r : ranks)
    for (size_t k = n; k >= 1; --k)
      for (int64_t s = total; s >= r; --s)
        ways[k][static_cast<size_t>(s)] += ways[k - 1][static_cast<size_t>(s - r)];
  // Sums are compared in units of 1 / ranks.size(), so that the mean is whole.
  const auto count = static_cast<int64_t>(ranks.size());
  const int64_t mean = total * static_cast<int64_t>(n);
  const int64_t distance = std::abs(observed * count - mean);
  double all = 0, far = 0;
  for (int64_t s = 0; s <= total; ++s) {
    const double number = ways[n][static_cast<size_t>(s)];
    all += number;
    if (std::abs(s * count - mean) >= distance) far += number;
  }
  return far / all;
}

double approximate(const Ranked& ranked, size_t n) {
  const auto count = static_cast<double>(ranked.ranks.size());
  const auto a = static_cast<double>(n), b = count - a;
  double sum = 0;
  for (size_t i = 0; i < n; ++i)
    sum += static_cast<double>(ranked.ranks[i]) / 2;
  const double variance = a * b / 12 * (count + 1 - ranked.ties / (count * (count - 1)));
  if (!(variance > 0)) return 1;
  const double off = std::max(std::fabs(sum - a * (count + 1) / 2) - 0.5, 0.0);
  return std::erfc(off / std::sqrt(2 * variance));
}

const Result* find(const Report& report, const std::string& name) {
  for (const Result& result : report.results)
    if (result.name == name) return &result;
  return nullptr;
}

Change change_of(const Result& base, const Result& now, double threshold) {
  Change change{.name = base.name, .unit = base.unit};
  change.base = spread(base.samples).median;
  change.now = spread(now.samples).median;
  const double ratio = change.base == 0 ? 1 : change.now / change.base;
  change.gain = base.better == Better::kHigher ? ratio - 1 : 1 - ratio;
  change.confidence = 1 - mann_whitney(base.samples, now.samples);
  change.regression = change.gain < -threshold && change.confidence >= kConfidence;
  return change;
}

}  // namespace

double mann_whitney(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.empty() || b.empty()) return 1;
  const Ranked ranked = rank(a, b);
  if (ranked.ranks.size() > kExactSamples) return approximate(ranked, a.size());
  return exact(ranked.ranks, a.size());
}

int64_t Comparison::regressions() const {
  return std::count_if(changes.begin(), changes.end(),
                       [](const Change& change) { return change.regression; });
}

Comparison compare_reports(const Report& base, const Report& now, double threshold) {
  Comparison comparison;
  for (const Result& result : base.results) {
    const Result* same = find(now, result.name);
    if (same == nullptr || same->unit != result.unit)
      comparison.only_base.push_back(result.name);
    else
      comparison.changes.push_back(change_of(result, *same, threshold));
  }
  for (const Result& result : now.results) {
    const Result* same = find(base, result.name);
    if (same == nullptr || same->unit != result.unit) comparison.only_now.push_back(result.name);
  }
  return comparison;
}

std::string incomparable(const Report& base, const Report& now) {
  const auto differ = [](const char* what, const auto& a, const auto& b) {
    return a == b ? std::string() : fmt::format("{} {} against {}", what, a, b);
  };
  const Machine &a = base.machine, &b = now.machine;
  for (const std::string& difference :
       {differ("benchmark", base.benchmark, now.benchmark), differ("CPU", a.cpu, b.cpu),
        differ("cores", a.cores, b.cores), differ("threads", a.threads, b.threads),
        differ("instruction set", a.isa, b.isa),
        differ("caches", fmt::format("{}", fmt::join(a.caches, ", ")),
               fmt::format("{}", fmt::join(b.caches, ", ")))})
    if (!difference.empty()) return difference;
  return "";
}

Report pooled(const Report& report, const Report& more) {
  Report both = report;
  for (Result& result : both.results)
    if (const Result* same = find(more, result.name))
      result.samples.insert(result.samples.end(), same->samples.begin(), same->samples.end());
  return both;
}

}  // namespace cllm::bench
