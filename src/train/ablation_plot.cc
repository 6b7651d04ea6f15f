// The pictures of an ablation: the held-out loss of each arm, mean over the seeds with its 95 %
// interval. Arms that are derived have no curve of training; by bytes they have a place.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "runlog/svg.h"
#include "train/ablation_report.h"

namespace cllm {
namespace {

constexpr double kWidth = 960, kHeight = 520;
// Okabe and Ito's set, told apart under every colour vision deficiency; arms beyond them repeat.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#56b4e9", "#e69f00", "#000000"};
constexpr double kLeft = 72, kRight = kWidth - 32, kLegendTop = 62, kLegendLine = 20;

struct Place {
  double x = 0, mean = 0, low = 0, high = 0;
};
struct Curve {
  std::string name;
  std::vector<Place> places;
};

double x_of(const ArmRun& run, const EvalRecord& record, PlotAxis axis) {
  if (axis == PlotAxis::kStep) return static_cast<double>(record.step);
  if (axis == PlotAxis::kParameters) return static_cast<double>(run.parameters);
  const auto step =
      std::ranges::find(run.metrics.steps, record.step, [](const StepRecord& s) { return s.step; });
  if (step == run.metrics.steps.end()) return 0;
  return axis == PlotAxis::kSeconds ? step->seconds
                                    : run.flops_per_token * static_cast<double>(step->tokens);
}

// Mean and interval of one place of every seed.
Place place_of(const std::vector<double>& xs, const std::vector<double>& losses) {
  const MeanInterval loss = mean_interval(losses);
  const double half = std::isfinite(loss.half_width) ? loss.half_width : 0;
  return {mean_interval(xs).mean, loss.mean, loss.mean - half, loss.mean + half};
}

// At evaluation i of every seed.
Place place_at(const std::vector<ArmRun>& runs, size_t i, PlotAxis axis) {
  std::vector<double> losses, xs;
  for (const ArmRun& run : runs) {
    losses.push_back(run.metrics.evaluations[i].loss);
    xs.push_back(x_of(run, run.metrics.evaluations[i], axis));
  }
  return place_of(xs, losses);
}

// Of a training; non-finite losses leave their place out.
std::vector<Place> training_places(const std::vector<ArmRun>& runs, PlotAxis axis) {
  size_t count = std::numeric_limits<size_t>::max();
  for (const ArmRun& run : runs)
    count = std::min(count, run.metrics.evaluations.size());
  std::vector<Place> places;
  for (size_t i = axis == PlotAxis::kParameters && count > 0 ? count - 1 : 0; i < count; ++i) {
    const Place place = place_at(runs, i, axis);
    if (std::isfinite(place.mean)) places.push_back(place);
  }
  return places;
}

// Of a file, by the logarithm of its size: half a model is as far from a whole one as from a
// quarter.
std::vector<Place> file_places(const std::vector<ArmRun>& runs) {
  std::vector<double> xs = figures_of(runs, Quantity::kBytes);
  const std::vector<double> losses = figures_of(runs, Quantity::kLoss);
  if (xs.empty() || losses.empty()) return {};
  for (double& x : xs)
    x = std::log2(x);
  return {place_of(xs, losses)};
}

// Arms with the name of a curve in common are places of it.
std::vector<Curve> curves_of(const AblationResult& result, PlotAxis axis) {
  std::vector<Curve> curves;
  for (size_t arm = 0; arm < result.runs.size(); ++arm) {
    const std::vector<ArmRun>& runs = result.runs[arm];
    const std::vector<Place> places =
        axis == PlotAxis::kBytes ? file_places(runs) : training_places(runs, axis);
    if (places.empty()) continue;
    const AblationArm& made = result.ablation.arms[arm];
    const std::string& name = made.curve.empty() ? made.name : made.curve;
    auto curve = std::ranges::find(curves, name, &Curve::name);
    if (curve == curves.end()) curve = curves.insert(curves.end(), {name, {}});
    curve->places.insert(curve->places.end(), places.begin(), places.end());
  }
  return curves;
}

const char* label_of(PlotAxis axis) {
  switch (axis) {
    case PlotAxis::kStep:
      return "step";
    case PlotAxis::kFlops:
      return "FLOPs";
    case PlotAxis::kSeconds:
      return "seconds of training";
    case PlotAxis::kBytes:
      return "bytes of the model's file, as a power of 2";
    case PlotAxis::kParameters:
      break;
  }
  return "parameters";
}

// Where the name of each curve stands: as many in a line as fit.
std::vector<Point> legend_of(const std::vector<Curve>& curves) {
  std::vector<Point> places;
  double x = kLeft, y = kLegendTop;
  for (const Curve& curve : curves) {
    const double width = 40 + 8.2 * static_cast<double>(curve.name.size());
    if (x > kLeft && x + width > kRight) x = kLeft, y += kLegendLine;
    places.push_back({x, y});
    x += width;
  }
  return places;
}

Panel panel_for(const std::vector<Curve>& curves, PlotAxis axis, double legend_bottom) {
  double left = std::numeric_limits<double>::infinity(), right = -left, low = left, high = right;
  for (const Curve& curve : curves)
    for (const Place& place : curve.places) {
      left = std::min(left, place.x), right = std::max(right, place.x);
      low = std::min(low, place.low), high = std::max(high, place.high);
    }
  if (left > right) left = 0, right = 1, low = 0, high = 1;
  // Powers of two lie between whole numbers.
  const auto horizontal =
      axis == PlotAxis::kBytes ? value_axis(left, right, 8) : position_axis(left, right, 8);
  return {kLeft, kRight, legend_bottom + 34, kHeight - 56, horizontal, value_axis(low, high, 6)};
}

void draw(Svg& svg, const Panel& panel, const Curve& curve, const char* colour) {
  Series line;
  for (const Place& place : curve.places) {
    line.push_back({place.x, place.mean});
    if (place.high > place.low)
      svg.line(panel.px(place.x), panel.py(place.low), panel.px(place.x), panel.py(place.high),
               colour, 1.2);
  }
  svg.curve(panel, line, colour, 2);
  for (const Place& place : curve.places)
    svg.circle(panel.px(place.x), panel.py(place.mean), 3.5, colour, colours::kBackground, 1.2);
}

}  // namespace

std::string ablation_plot(const AblationResult& result, PlotAxis axis) {
  const std::vector<Curve> curves = curves_of(result, axis);
  const std::vector<Point> legend = legend_of(curves);
  const Panel panel = panel_for(curves, axis, legend.empty() ? kLegendTop : legend.back().y);
  Svg svg(kWidth, kHeight, result.ablation.name);
  svg.text(kLeft, 36, fmt::format("{}, {} seeds", result.ablation.name, result.runs.front().size()),
           {.size = 20, .colour = colours::kInk, .weight = "600"});
  svg.frame(panel, "Held-out loss (nats per token), 95 % intervals", label_of(axis));
  for (size_t i = 0; i < curves.size(); ++i) {
    const char* const colour = kColours[i % std::size(kColours)];
    draw(svg, panel, curves[i], colour);
    svg.circle(legend[i].x + 5, legend[i].y - 4, 4.5, colour, colours::kBackground, 1);
    svg.text(legend[i].x + 16, legend[i].y, curves[i].name, {});
  }
  return std::move(svg).finish();
}

}  // namespace cllm
