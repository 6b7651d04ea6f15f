#include "runlog/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/units.h"
#include "runlog/axis.h"
#include "runlog/series.h"
#include "runlog/svg.h"

namespace cllm {
namespace {

constexpr double kWidth = 960;
constexpr double kHeight = 880;
constexpr double kLeft = 72;
constexpr double kRight = kWidth - 32;
constexpr int kBuckets = 428;    // half the width of a panel: two points each
constexpr int kPositions = 300;  // of the smoothed curve
constexpr double kSmoothing = 0.02;
constexpr size_t kSmoothFrom = 30;  // fewer records than this are shown as they are

// Blue and orange of Okabe and Ito's set are told apart under every colour vision deficiency; the
// two single-curve panels need no identity, only contrast.
constexpr const char* kTrain = "#0072b2";
constexpr const char* kHeldOut = "#d55e00";
constexpr const char* kRate = "#00795a";
constexpr const char* kSpeed = "#6a51a3";

// Values this large would overflow the arithmetic of the axes; a diverged run may hold them.
constexpr double kLargest = 1e30;

template <class Record>
Series series_of(const std::vector<Record>& records, double Record::*value) {
  Series series;
  series.reserve(records.size());
  for (const Record& record : records) {
    const double y = record.*value;
    series.push_back({static_cast<double>(record.step),
                      std::abs(y) <= kLargest ? y : std::numeric_limits<double>::quiet_NaN()});
  }
  std::stable_sort(series.begin(), series.end(),
                   [](const Point& a, const Point& b) { return a.x < b.x; });
  return series;
}

// The evaluation with the lowest finite loss, or nullptr.
const EvalRecord* best_evaluation(const Metrics& metrics) {
  const EvalRecord* best = nullptr;
  for (const EvalRecord& record : metrics.evaluations)
    if (std::abs(record.loss) <= kLargest && (best == nullptr || record.loss < best->loss))
      best = &record;
  return best;
}

Axis step_axis(const Metrics& metrics) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  const auto cover = [&](int64_t step) {
    low = std::min(low, static_cast<double>(step));
    high = std::max(high, static_cast<double>(step));
  };
  for (const StepRecord& record : metrics.steps)
    cover(record.step);
  for (const EvalRecord& record : metrics.evaluations)
    cover(record.step);
  if (low > high) return position_axis(0, 100, 8);
  if (low > 0 && low <= 0.05 * high) low = 0;
  return position_axis(low, high, 8);
}

std::string counted(int64_t count, const char* noun) {
  return grouped(count) + " " + noun + (count == 1 ? "" : "s");
}

// Three decimals tell two models apart; a memorised text's tiny loss needs significant digits.
std::string loss_text(double loss) {
  return loss >= 0.1 ? fmt::format("{:.3f}", loss) : fmt::format("{:.3g}", loss);
}

std::string facts(const RunSummary& summary, const Metrics& metrics) {
  std::vector<std::string> parts;
  if (summary.parameters > 0)
    parts.push_back(format_count(static_cast<double>(summary.parameters)) + " parameters");
  if (!metrics.steps.empty()) {
    const StepRecord& last = metrics.steps.back();
    parts.push_back(counted(last.step, "step"));
    parts.push_back(format_count(static_cast<double>(last.tokens)) + " tokens");
    if (std::isfinite(last.seconds)) parts.push_back(format_duration(last.seconds));
  }
  if (const EvalRecord* best = best_evaluation(metrics))
    parts.push_back(fmt::format("best held-out loss {} (perplexity {:.4g}, {} bits/byte)",
                                loss_text(best->loss), best->perplexity,
                                loss_text(best->bits_per_byte)));
  return fmt::format("{}", fmt::join(parts, "  ·  "));
}

// Cuts a name of more than 46 characters (what fits the width in the widest usual font).
std::string short_name(const std::string& name) {
  int characters = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool starts = (static_cast<unsigned char>(name[i]) & 0xC0) != 0x80;
    if (starts && ++characters > 46) return name.substr(0, i) + "…";
  }
  return name;
}

struct Legend {
  const char* text;
  const char* colour;
  double width;
  double opacity;
  bool marker;
};

// Pixels of a text of size 13 in a wide font; too much only widens the gap after it.
double legend_width(std::string_view text) {
  double width = 0;
  for (const char c : text)
    width += std::string_view("fijlrt ,-").find(c) != std::string_view::npos ? 5
             : c == 'm' || c == 'w'                                          ? 12.7
                                                                             : 8.2;
  return width;
}

// In the heading row of a panel, where no curve can be.
void draw_legend(Svg& svg, const Panel& panel, const std::vector<Legend>& entries) {
  constexpr double kSwatch = 24;
  double x = panel.right;
  const double y = panel.top - 18;
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    x -= legend_width(entry->text);
    svg.text(x, y + 4.5, entry->text, {});
    x -= kSwatch + 8;
    const Panel swatch{x, x + kSwatch, y - 1, y + 1, {0, 1, {}}, {0, 1, {}}};
    svg.curve(swatch, {{0, 0.5}, {1, 0.5}}, entry->colour, entry->width, entry->opacity);
    if (entry->marker)
      svg.circle(x + kSwatch / 2, y, 3.5, entry->colour, colours::kBackground, 1.2);
    x -= 20;
  }
}

void draw_nothing_yet(Svg& svg, const Panel& panel) {
  svg.text((panel.left + panel.right) / 2, (panel.top + panel.bottom) / 2 + 4,
           "nothing recorded yet", {.anchor = "middle", .halo = true});
}

// Covers every value, unless outliers (a spike, a divergence) would squeeze the rest into less than
// a third of the panel: then those stay outside.
Axis loss_axis(const Series& raw, const Series& held_out) {
  double low = std::numeric_limits<double>::infinity();
  double highest = -low, high = -low;
  for (const Series* series : {&raw, &held_out}) {
    const auto sorted = sorted_values(*series);
    if (sorted.empty()) continue;
    low = std::min(low, sorted.front());
    highest = std::max(highest, sorted.back());
    high = std::max(high, quantile(sorted, 0.99));
  }
  if (low > high) return value_axis(0, 1, 4);
  return value_axis(low, highest - low <= 3 * (high - low) ? highest : high, 6);
}

void draw_best(Svg& svg, const Panel& panel, const EvalRecord& best) {
  const double x = panel.px(static_cast<double>(best.step));
  const double y = panel.py(best.loss);
  svg.circle(x, y, 6.5, "none", kHeldOut, 1.8);
  // Above the point: a falling loss leaves the space over its end free.
  const double label = std::max(panel.top + 16, y - 44);
  if (y - label > 14) svg.line(x, label + 6, x, y - 8, kHeldOut, 1, "2 3");
  const bool at_right = x > (panel.left + panel.right) / 2;
  svg.text(at_right ? std::min(x + 6, panel.right) : std::max(x - 6, panel.left + 4), label,
           fmt::format("best {} at step {}", loss_text(best.loss), grouped(best.step)),
           {.colour = colours::kInk,
            .anchor = at_right ? "end" : "start",
            .weight = "600",
            .halo = true});
}

void draw_training_loss(Svg& svg, const Panel& panel, const Series& raw,
                        std::vector<Legend>& legend) {
  if (sorted_values(raw).size() < kSmoothFrom) {
    svg.curve(panel, raw, kTrain, 2);
    legend.push_back({"training", kTrain, 2, 1, false});
    return;
  }
  svg.curve(panel, downsample(raw, kBuckets), kTrain, 1, 0.28);
  svg.curve(panel, smooth(raw, kPositions, kSmoothing), kTrain, 2);
  legend.push_back({"training, each step", kTrain, 1, 0.45, false});
  legend.push_back({"smoothed", kTrain, 2, 1, false});
}

void draw_held_out_loss(Svg& svg, const Panel& panel, const Series& held_out,
                        std::vector<Legend>& legend) {
  const bool markers = held_out.size() <= 60;  // more would run together
  svg.curve(panel, downsample(held_out, kBuckets), kHeldOut, 2);
  legend.push_back({"held-out", kHeldOut, 2, 1, markers});
  if (!markers) return;
  for (const Point& point : held_out)
    if (std::isfinite(point.y))
      svg.circle(panel.px(point.x), panel.py(point.y), 3.5, kHeldOut, colours::kBackground, 1.2);
}

void draw_loss(Svg& svg, const Metrics& metrics, const Axis& steps) {
  const Series raw = series_of(metrics.steps, &StepRecord::loss);
  const Series held_out = series_of(metrics.evaluations, &EvalRecord::loss);
  const Panel panel{kLeft, kRight, 136, 456, steps, loss_axis(raw, held_out)};
  svg.frame(panel, "Loss (nats per token)", "");
  std::vector<Legend> legend;
  if (!raw.empty()) draw_training_loss(svg, panel, raw, legend);
  if (!held_out.empty()) draw_held_out_loss(svg, panel, held_out, legend);
  if (const EvalRecord* best = best_evaluation(metrics)) draw_best(svg, panel, *best);
  draw_legend(svg, panel, legend);
  const auto beyond = std::count_if(raw.begin(), raw.end(),
                                    [&](const Point& point) { return point.y > panel.y.high; });
  if (beyond > 0)
    svg.text(panel.right, panel.top + 12, counted(beyond, "step") + " above the axis",
             {.size = 12, .anchor = "end", .halo = true});
  if (raw.empty() && held_out.empty()) draw_nothing_yet(svg, panel);
}

void draw_learning_rate(Svg& svg, const Metrics& metrics, const Axis& steps) {
  Series rate = series_of(metrics.steps, &StepRecord::learning_rate);
  const auto values = sorted_values(rate);
  const double high = values.empty() || values.back() <= 0 ? 1 : values.back();
  const int exponent = axis_exponent({0, high, {}});
  const double unit = std::pow(10.0, exponent);
  for (Point& point : rate)
    point.y /= unit;
  const double low = values.empty() ? 0 : std::min(0.0, values.front() / unit);
  const Panel panel{kLeft, kRight, 520, 620, steps, value_axis(low, high / unit, 3)};
  svg.frame(panel,
            exponent == 0 ? "Learning rate" : "Learning rate (× 10" + superscript(exponent) + ")",
            "");
  const Series small = downsample(rate, kBuckets);
  svg.area(panel, small, kRate, 0.1);
  svg.curve(panel, small, kRate, 2);
  if (rate.empty()) draw_nothing_yet(svg, panel);
}

void draw_throughput(Svg& svg, const Metrics& metrics, const Axis& steps) {
  const Series speed = series_of(metrics.steps, &StepRecord::tokens_per_second);
  const auto values = sorted_values(speed);
  double high = 1;
  if (!values.empty() && values.back() > 0)
    high = std::min(values.back(), 1.5 * std::max(quantile(values, 0.95), 1e-9));
  const Panel panel{kLeft, kRight, 684, 804, steps, value_axis(0, high, 3)};
  svg.frame(panel, "Throughput (tokens per second)", "optimizer step");
  const bool smoothed = values.size() >= kSmoothFrom;
  svg.curve(panel, downsample(speed, kBuckets), kSpeed, smoothed ? 1 : 2, smoothed ? 0.3 : 1);
  if (smoothed) svg.curve(panel, smooth(speed, kPositions, kSmoothing), kSpeed, 2);
  if (!values.empty())
    svg.text(panel.right, panel.top - 14, "median " + format_rate(quantile(values, 0.5), "tokens"),
             {.anchor = "end"});
  if (speed.empty()) draw_nothing_yet(svg, panel);
}

}  // namespace

std::string render_report(const RunSummary& summary, const Metrics& metrics) {
  Svg svg(kWidth, kHeight, "Training run " + summary.name);
  svg.text(kLeft, 48, short_name(summary.name),
           {.size = 24, .colour = colours::kInk, .weight = "700"});
  svg.text(kLeft, 74, facts(summary, metrics), {});
  const Axis steps = step_axis(metrics);
  draw_loss(svg, metrics, steps);
  draw_learning_rate(svg, metrics, steps);
  draw_throughput(svg, metrics, steps);
  return std::move(svg).finish();
}

void write_report(const RunFolder& folder) {
  using nlohmann::json;
  RunSummary summary{folder.name(), 0};
  std::error_code missing;
  if (fs::exists(folder.environment(), missing)) {
    // The report must not fail for want of a number in its heading.
    const json environment = json::parse(read_file(folder.environment()), nullptr, false);
    if (environment.is_object() && environment.contains("parameters") &&
        environment["parameters"].is_number_unsigned())
      summary.parameters = environment["parameters"].get<int64_t>();
  }
  write_file(folder.report(), render_report(summary, read_metrics(folder.metrics())));
}

}  // namespace cllm
