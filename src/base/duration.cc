#include "base/duration.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string>

#include "base/error.h"

namespace cllm {

double parse_duration(std::string_view text, std::string_view where) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  double scale = 0;
  if (unit.empty() || unit == "s") scale = 1;
  if (unit == "m") scale = 60;
  if (unit == "h") scale = 3600;
  if (unit == "d") scale = 86400;
  if (error != std::errc() || scale == 0 || !(value > 0) || !std::isfinite(value * scale))
    throw Error(ErrorKind::kUsage, std::string(where), fmt::format("'{}' is no span of time", text),
                "give a number above zero with s, m, h or d, such as 10m");
  return value * scale;
}

}  // namespace cllm
