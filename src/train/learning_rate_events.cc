#include "train/learning_rate_events.h"

#include <fmt/format.h>

namespace cllm {
namespace {

// Whether the rate begins to fall behind this step, which is the last one at its full height.
bool begins_to_decay(const optim::Schedule& schedule, int64_t step) {
  if (schedule.kind == optim::ScheduleKind::kStep) return false;
  if (step + 1 >= schedule.total_steps) return false;
  const double rate = optim::learning_rate(schedule, step);
  const bool fell_before =
      step > schedule.warmup_steps && optim::learning_rate(schedule, step - 1) != rate;
  return !fell_before && optim::learning_rate(schedule, step + 1) < rate;
}

}  // namespace

std::optional<std::string> learning_rate_event(const optim::Schedule& schedule, int64_t step) {
  if (step < 1 || step < schedule.warmup_steps) return std::nullopt;
  const double rate = optim::learning_rate(schedule, step);
  const bool decays = begins_to_decay(schedule, step);
  if (step == schedule.warmup_steps)
    return fmt::format("warm-up done{}, learning rate {:.3g}", decays ? ", decay begins" : "",
                       rate);
  if (decays) return fmt::format("decay begins, learning rate {:.3g}", rate);
  const double before = optim::learning_rate(schedule, step - 1);
  if (schedule.kind != optim::ScheduleKind::kStep || rate == before) return std::nullopt;
  return fmt::format("learning rate {:.3g} -> {:.3g}{}", before, rate,
                     rate == schedule.minimum ? " (the minimum)" : "");
}

}  // namespace cllm
