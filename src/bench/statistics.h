// Measuring on a machine that others use too: subjects take turns, so that a slow minute hits all
// of them alike, and what is told of the figures is their median and quartiles.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace cllm::bench {

struct Spread {
  double median = 0;
  double low = 0, high = 0;  // 25th and 75th percentile
  int64_t count = 0;
};

// Linear between order statistics; all zero for no values. A NaN among them makes all three NaN.
Spread spread(std::vector<double> values);

// The median of numerator[i] / denominator[i], figures of the same rounds: what slows a round down
// slows both. The same number of each, at least one.
double median_ratio(const std::vector<double>& numerator, const std::vector<double>& denominator);

// What one subject measures: seconds, GFLOP/s, ... An exception from it ends the measurement.
using Subject = std::function<double()>;
// done of total measurements; called before each of them, so that work can be shown, and stopped by
// throwing.
using Progressed = std::function<void(int64_t done, int64_t total)>;

// Runs the subjects in turns, A B C A B C ..., `rounds` times; returns [subject][round].
std::vector<std::vector<double>> interleave(int rounds, const std::vector<Subject>& subjects,
                                            const Progressed& progress = {});

// Seconds of one call: the mean over as many calls as fill `least_seconds`, at least one.
double seconds_per_call(double least_seconds, const std::function<void()>& call);

}  // namespace cllm::bench
