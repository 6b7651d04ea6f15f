// Axes of a plot: ranges and ticks at steps of 1, 2 or 5 times a power of ten, and the text of the
// ticks. Pure functions of finite numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cllm {

struct Axis {
  double low = 0;
  double high = 1;
  std::vector<double> ticks;  // ascending, within [low, high]
};

// An axis with about `target` steps that starts and ends at a tick (for values), or exactly at low
// and high (for positions). An empty range (low == high) is widened.
Axis value_axis(double low, double high, int target);
Axis position_axis(double low, double high, int target);

// The text of every tick, all with the same number of decimals; from 10,000 on in k, M or G.
std::vector<std::string> tick_labels(const Axis& axis);

// The power of ten to take out of an axis of small numbers: 0 if none, else -3 for 1e-3 ... .
int axis_exponent(const Axis& axis);

// "⁻³"
std::string superscript(int number);

// "2000", "98,000", "1,250,000"
std::string grouped(int64_t number);

}  // namespace cllm
