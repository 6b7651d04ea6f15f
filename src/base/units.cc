#include "base/units.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <span>

namespace cllm {
namespace {

// Three significant digits in plain notation for 0.0005 <= |value| < 1024.
std::string three_digits(double value) {
  const double size = std::fabs(value);
  // Each limit is where the next lower precision would round up to.
  if (size == 0) return "0";
  if (size < 0.9995) return fmt::format("{:.3f}", value);
  if (size < 9.995) return fmt::format("{:.2f}", value);
  if (size < 99.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

// value with the largest unit that leaves at least one; `limit` is where rounding reaches `base`.
std::string scaled(double value, double base, double limit,
                   std::span<const std::string_view> units) {
  size_t unit = 0;
  while (unit + 1 < units.size() && std::fabs(value) >= limit) {
    value /= base;
    ++unit;
  }
  const bool whole = unit == 0 && value == std::floor(value);
  const std::string number = whole ? fmt::format("{:.0f}", value) : three_digits(value);
  return units[unit].empty() ? number : fmt::format("{} {}", number, units[unit]);
}

constexpr std::array<std::string_view, 5> kThousands = {"", "k", "M", "G", "T"};

}  // namespace

std::string format_bytes(double bytes) {
  static constexpr std::array<std::string_view, 6> kUnits = {"B",   "KiB", "MiB",
                                                             "GiB", "TiB", "PiB"};
  if (!std::isfinite(bytes)) return "?";
  return scaled(std::round(bytes), 1024, 1023.5, kUnits);
}

std::string format_count(double count) {
  if (!std::isfinite(count)) return "?";
  return scaled(std::round(count), 1000, 999.5, kThousands);
}

std::string format_rate(double per_second, std::string_view what) {
  if (!std::isfinite(per_second)) return fmt::format("? {}/s", what);
  return fmt::format("{} {}/s", scaled(per_second, 1000, 999.5, kThousands), what);
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 0) return fmt::format("-{}", format_duration(-seconds));
  if (seconds == 0) return "0 s";
  if (seconds < 0.9995e-3) return fmt::format("{:.0f} us", seconds * 1e6);
  if (seconds < 0.9995) return three_digits(seconds * 1e3) + " ms";
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  // Rounded to the smaller unit first, so that no "60" is left in it.
  const auto in_pairs = [](int64_t smaller, int64_t per, const char* large, const char* small) {
    return fmt::format("{} {} {:02} {}", smaller / per, large, smaller % per, small);
  };
  const int64_t whole_seconds = std::llround(seconds);
  if (whole_seconds < 3600) return in_pairs(whole_seconds, 60, "min", "s");
  const int64_t minutes = std::llround(seconds / 60);
  if (minutes < 24 * 60) return in_pairs(minutes, 60, "h", "min");
  return in_pairs(std::llround(seconds / 3600), 24, "d", "h");
}

}  // namespace cllm
