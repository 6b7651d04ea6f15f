#include "base/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/units.h"

namespace cllm {
namespace {

constexpr double kInterval = 0.1;  // seconds between two drawings
constexpr size_t kWidestBar = 40;
constexpr size_t kNarrowestBar = 10;

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

size_t columns(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return !continues_character(c); }));
}

std::string_view first_columns(std::string_view text, size_t width) {
  size_t end = 0;
  for (size_t column = 0; end < text.size(); ++end)
    if (!continues_character(text[end]) && column++ == width) break;
  return text.substr(0, end);
}

double share_done(const ProgressView& view) {
  if (view.total <= 0) return 0;
  return std::clamp(static_cast<double>(view.done) / static_cast<double>(view.total), 0.0, 1.0);
}

std::string bar(double share, size_t width, bool utf8) {
  static constexpr std::array<std::string_view, 8> kEighths = {"",  "▏", "▎", "▍",
                                                               "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<size_t>(share * static_cast<double>(8 * width));
  const size_t full = eighths / 8;
  std::string cells;
  for (size_t i = 0; i < full; ++i)
    cells += utf8 ? "█" : "#";
  if (utf8) cells += kEighths[eighths % 8];
  const std::string rest(width - std::min(width, columns(cells)), utf8 ? ' ' : '.');
  return fmt::format("{}{}{}{}", utf8 ? "▕" : "[", cells, rest, utf8 ? "▏" : "]");
}

}  // namespace

double seconds_left(const ProgressView& view) {
  const int64_t advanced = view.done - view.first;
  if (view.total <= 0 || advanced <= 0) return std::numeric_limits<double>::quiet_NaN();
  const auto missing = static_cast<double>(std::max<int64_t>(0, view.total - view.done));
  return view.seconds / static_cast<double>(advanced) * missing;
}

std::string progress_line(const ProgressView& view, size_t width, bool utf8) {
  const std::string_view separator = utf8 ? " · " : " | ";
  const double share = share_done(view);
  std::string head(view.label);
  std::string tail = std::to_string(view.done);
  if (view.total > 0) {
    head += fmt::format(" {:3.0f}%", std::floor(100 * share));
    tail += fmt::format("/{}", view.total);
  }
  if (!view.fields.empty()) tail += fmt::format("{}{}", separator, view.fields);
  const double left = seconds_left(view);
  if (std::isfinite(left)) tail += fmt::format("{}{} left", separator, format_duration(left));

  // Two blanks around the bar and its two ends.
  const size_t taken = columns(head) + columns(tail) + 4;
  const bool fits = view.total > 0 && taken + kNarrowestBar <= width;
  const std::string middle =
      fits ? bar(share, std::min(kWidestBar, width - taken), utf8) + " " : std::string();
  const std::string line = fmt::format("{} {}{}", head, middle, tail);
  return std::string(first_columns(line, width));
}

Progress::Progress(Log& log, std::string label, int64_t total, int64_t first)
    : log_(log),
      label_(std::move(label)),
      total_(total),
      first_(first),
      start_(steady_seconds()),
      next_draw_(start_) {}

Progress::~Progress() {
  log_.status("");
}

bool Progress::due() const {
  return log_.shows_status() && steady_seconds() >= next_draw_;
}

void Progress::update(int64_t done, std::string_view fields) {
  if (!due()) return;
  const double now = steady_seconds();
  next_draw_ = now + kInterval;
  const ProgressView view{label_, done, total_, first_, now - start_, fields};
  const int width = log_.terminal().width();
  // The last column stays empty: some terminals wrap when it is written.
  log_.status(
      progress_line(view, static_cast<size_t>(std::max(1, width - 1)), log_.terminal().utf8));
}

}  // namespace cllm
