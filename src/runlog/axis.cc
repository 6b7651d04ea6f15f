#include "runlog/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace cllm {
namespace {

constexpr double kSmallest = 1e-30;  // what is smaller is drawn as zero

struct Unit {
  double size;
  const char* suffix;
};

Unit unit_of(double magnitude) {
  if (magnitude >= 1e9) return {1e9, "G"};
  if (magnitude >= 1e6) return {1e6, "M"};
  if (magnitude >= 1e3) return {1e3, "k"};
  return {1, ""};
}

// 1, 2 or 5 times a power of ten, the first that is at least span / target.
double nice_step(double span, int target) {
  const double raw = span / target;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power * (1 + 1e-9)) return factor * power;
  return 10 * power;
}

// Makes the range wide enough that its ticks differ in double precision.
void widen(double& low, double& high) {
  const double magnitude = std::max(std::abs(low), std::abs(high));
  if (high - low > magnitude * 1e-9 && high - low > kSmallest) return;
  const double margin = magnitude > kSmallest ? magnitude * 0.1 : 1;
  low -= margin;
  high += margin;
}

void fill_ticks(Axis& axis, double step) {
  const double first = std::ceil(axis.low / step - 1e-6);
  const double last = std::floor(axis.high / step + 1e-6);
  for (double i = first; i <= last; ++i)
    axis.ticks.push_back(i * step);
}

int decimals_of(double step) {
  return std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-6)));
}

}  // namespace

Axis value_axis(double low, double high, int target) {
  CHECK(std::isfinite(low) && std::isfinite(high) && low <= high);
  widen(low, high);
  const double step = nice_step(high - low, target);
  Axis axis{std::floor(low / step + 1e-6) * step, std::ceil(high / step - 1e-6) * step, {}};
  fill_ticks(axis, step);
  return axis;
}

Axis position_axis(double low, double high, int target) {
  CHECK(std::isfinite(low) && std::isfinite(high) && low <= high);
  if (low == high) {
    low -= 1;
    high += 1;
  }
  Axis axis{low, high, {}};
  fill_ticks(axis, std::max(1.0, nice_step(high - low, target)));
  return axis;
}

std::vector<std::string> tick_labels(const Axis& axis) {
  const double magnitude = std::max(std::abs(axis.low), std::abs(axis.high));
  const Unit unit = magnitude >= 1e4 ? unit_of(magnitude) : Unit{1, ""};
  const double step = axis.ticks.size() < 2 ? magnitude : axis.ticks[1] - axis.ticks[0];
  const int decimals = decimals_of(step / unit.size);
  std::vector<std::string> labels;
  for (const double tick : axis.ticks) {
    if (std::abs(tick) < step * 1e-6)
      labels.push_back("0");
    else if (decimals > 5 || magnitude >= 1e13)
      labels.push_back(fmt::format("{:.4g}", tick));
    else
      labels.push_back(fmt::format("{:.{}f}{}", tick / unit.size, decimals, unit.suffix));
  }
  return labels;
}

int axis_exponent(const Axis& axis) {
  const double magnitude = std::max(std::abs(axis.low), std::abs(axis.high));
  if (magnitude >= 0.1 || magnitude <= kSmallest) return 0;
  return static_cast<int>(std::floor(std::log10(magnitude) + 1e-9));
}

std::string superscript(int number) {
  static constexpr std::array<const char*, 10> kDigits = {"⁰", "¹", "²", "³", "⁴",
                                                          "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text;
  for (const char c : std::to_string(number))
    text += c == '-' ? "⁻" : kDigits[static_cast<size_t>(c - '0')];
  return text;
}

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 5) return digits;
  const size_t sign = number < 0 ? 1 : 0;
  for (size_t at = digits.size(); at > sign + 3;)
    digits.insert(at -= 3, ",");
  return digits;
}

}  // namespace cllm
