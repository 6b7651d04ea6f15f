// Learning rate as a pure function of the step, so that a resumed run needs no state for it.
// The cosine form and the warm-up are those of nanoGPT; WSD is warm-up, stable, decay (Hu et al.,
// MiniCPM, 2024).
#pragma once

#include <cstdint>

#include "base/fields.h"

namespace cllm::optim {

enum class ScheduleKind { kConstant, kLinear, kCosine, kStep, kWsd };

inline constexpr EnumName<ScheduleKind> kScheduleNames[] = {{ScheduleKind::kConstant, "constant"},
                                                            {ScheduleKind::kLinear, "linear"},
                                                            {ScheduleKind::kCosine, "cosine"},
                                                            {ScheduleKind::kStep, "step"},
                                                            {ScheduleKind::kWsd, "wsd"}};

struct Schedule {
  ScheduleKind kind = ScheduleKind::kCosine;
  double peak = 1e-3;
  double minimum = 1e-4;         // floor of every kind but constant
  int64_t warmup_steps = 0;      // linear warm-up: peak * (step + 1) / (warmup_steps + 1)
  int64_t total_steps = 1;       // steps 0 .. total_steps - 1
  int64_t step_every = 1000;     // kStep: steps between two multiplications, >= 1
  double step_factor = 0.5;      // kStep: the factor
  double wsd_decay_share = 0.2;  // kWsd: share of total_steps, at the end, that decays linearly
};

// The learning rate of step 0, 1, 2, ... Below warmup_steps: peak * (step + 1) / (warmup_steps +
// 1), for every kind, also when warmup_steps >= total_steps. From there on, with s = step -
// warmup_steps and n = total_steps - warmup_steps:
//   constant  peak
//   linear    peak at s = 0, minimum at s = n, straight between
//   cosine    peak at s = 0, minimum at s = n, half a cosine between
//   step      max(minimum, peak * step_factor^floor(s / step_every))
//   wsd       peak until the last d = min(n, round(wsd_decay_share * total_steps)) steps, then
//             straight to minimum at s = n
// As in nanoGPT the minimum belongs to step total_steps, the first one that is not run; linear,
// cosine and wsd stay there beyond (n <= 0 counts as beyond). A negative step or step_every < 1 is
// a CHECK.
double learning_rate(const Schedule& schedule, int64_t step);

}  // namespace cllm::optim
