#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "base/check.h"

namespace cllm::optim {
namespace {

// From peak at 0 to minimum at n and beyond; shape(x) falls from 1 to 0 on [0, 1].
template <class Shape>
double descend(const Schedule& schedule, int64_t s, int64_t n, Shape shape) {
  if (s >= n) return schedule.minimum;
  const double x = static_cast<double>(s) / static_cast<double>(n);
  return schedule.minimum + shape(x) * (schedule.peak - schedule.minimum);
}

double straight(double x) {
  return 1 - x;
}

double half_cosine(double x) {
  return 0.5 * (1 + std::cos(std::numbers::pi * x));
}

double stepped(const Schedule& schedule, int64_t s) {
  CHECK_MSG(schedule.step_every >= 1, "step_every={}", schedule.step_every);
  const auto drops = static_cast<double>(s / schedule.step_every);
  return std::max(schedule.minimum, schedule.peak * std::pow(schedule.step_factor, drops));
}

double stable_then_decay(const Schedule& schedule, int64_t s, int64_t n) {
  const double wish = schedule.wsd_decay_share * static_cast<double>(schedule.total_steps);
  const int64_t decay = std::clamp<int64_t>(std::llround(wish), 0, std::max<int64_t>(n, 0));
  const int64_t stable = n - decay;
  return s < stable ? schedule.peak : descend(schedule, s - stable, decay, straight);
}

}  // namespace

double learning_rate(const Schedule& schedule, int64_t step) {
  CHECK_MSG(step >= 0, "step={}", step);
  if (step < schedule.warmup_steps)
    return schedule.peak * static_cast<double>(step + 1) /
           static_cast<double>(schedule.warmup_steps + 1);
  const int64_t s = step - schedule.warmup_steps;
  const int64_t n = schedule.total_steps - schedule.warmup_steps;
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      return schedule.peak;
    case ScheduleKind::kLinear:
      return descend(schedule, s, n, straight);
    case ScheduleKind::kCosine:
      return descend(schedule, s, n, half_cosine);
    case ScheduleKind::kStep:
      return stepped(schedule, s);
    case ScheduleKind::kWsd:
      return stable_then_decay(schedule, s, n);
  }
  check_failed(__FILE__, __LINE__, "a known ScheduleKind",
               std::to_string(static_cast<int>(schedule.kind)));
}

}  // namespace cllm::optim
