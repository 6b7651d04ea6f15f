// Loss scaling for gradients in fp16: the loss is multiplied before the backward pass, so that
// small gradients do not vanish, and a step whose gradients overflow is left out (Micikevicius et
// al., "Mixed precision training", 2018). Pure arithmetic; the trainer applies it.
#pragma once

#include <cstdint>

namespace cllm::optim {

struct LossScaling {
  bool dynamic = false;
  double fixed = 1;  // the scale if it is not dynamic
};

// Part of a checkpoint.
struct LossScaleState {
  double scale = 1;            // for the next step
  int64_t good_steps = 0;      // dynamic: since the scale changed last
  int64_t skipped_steps = 0;   // of the run
  int64_t skipped_in_row = 0;  // up to now
  bool operator==(const LossScaleState&) const = default;
};

// Dynamic: the scale of the first step, the number of good steps after which it doubles, its
// limits.
inline constexpr double kFirstLossScale = 65536, kSmallestLossScale = 1,
                        kLargestLossScale = 1 << 24;
inline constexpr int64_t kGoodStepsToDouble = 2000;
// A fixed scale with so many overflows in a row is a run that has diverged.
inline constexpr int64_t kSkippedStepsInRow = 50;

LossScaleState first_loss_scale(const LossScaling& scaling);

// The state after a step whose gradients were all finite, or not: then the step was skipped.
// Dynamic: doubled after 2000 good steps, halved by a skipped one, within [1, 2^24].
LossScaleState next_loss_scale(const LossScaling& scaling, LossScaleState state, bool finite);

// Whether an overflow in this state cannot be the scale's fault, so that skipping the step would
// not help: the dynamic scale is at its floor, or a fixed one has skipped too many steps in a row.
bool overflow_is_divergence(const LossScaling& scaling, const LossScaleState& state);

}  // namespace cllm::optim
