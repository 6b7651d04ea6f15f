// How sure a median is, without assuming how the figures are distributed.
#pragma once

#include <vector>

namespace cllm::bench {

struct MedianInterval {
  double median = 0;
  double low = 0, high = 0;
  double confidence = 0;  // that the true median lies in [low, high]
};

// The narrowest interval between order statistics that holds the median with at least this
// confidence, by the binomial distribution of how many figures fall below it (the interval of the
// sign test); the whole range if so few figures (fewer than 6 for 0.95) cannot give it. values is
// not empty.
MedianInterval median_interval(std::vector<double> values, double confidence = 0.95);

}  // namespace cllm::bench
