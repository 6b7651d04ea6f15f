// Two reports of the same benchmark: what changed, and how sure that is.
#pragma once

#include <string>
#include <vector>

#include "bench/report.h"

namespace cllm::bench {

// Two-sided p-value of the Mann-Whitney U test (Mann & Whitney 1947): how likely two sets of
// samples from one source differ in rank as much as these. Exact, ties included, up to 60 samples
// together, the normal approximation beyond. 1 if one set is empty. NaNs are a CHECK.
double mann_whitney(const std::vector<double>& a, const std::vector<double>& b);

struct Change {
  std::string name, unit;
  double base = 0, now = 0;  // medians
  double gain = 0;           // relative; positive is better, whatever the unit
  double confidence = 0;     // that there is a change at all: 1 - p
  bool regression = false;
};

struct Comparison {
  std::vector<Change> changes;                   // of the results in both
  std::vector<std::string> only_base, only_now;  // names
  int64_t regressions() const;
};

inline constexpr double kConfidence = 0.95;

// A regression is worse by more than `threshold` (0.03) with kConfidence.
Comparison compare_reports(const Report& base, const Report& now, double threshold);

// Where the two come from differs in a way that makes comparing meaningless: "benchmark gemm
// against step", "CPU ..."; "" if nothing does. Version, commit, compiler and kernel may differ.
std::string incomparable(const Report& base, const Report& now);

// The results of both with their samples put together, by name; `more` is from the same program.
Report pooled(const Report& report, const Report& more);

}  // namespace cllm::bench
