#include "optim/loss_scale.h"

#include <algorithm>

namespace cllm::optim {

LossScaleState first_loss_scale(const LossScaling& scaling) {
  LossScaleState state;
  state.scale = scaling.dynamic ? kFirstLossScale : scaling.fixed;
  return state;
}

LossScaleState next_loss_scale(const LossScaling& scaling, LossScaleState state, bool finite) {
  state.skipped_steps += finite ? 0 : 1;
  state.skipped_in_row = finite ? 0 : state.skipped_in_row + 1;
  if (!scaling.dynamic) return state;
  state.good_steps = finite ? state.good_steps + 1 : 0;
  if (!finite) state.scale = std::max(kSmallestLossScale, state.scale / 2);
  if (state.good_steps == kGoodStepsToDouble) {
    state.scale = std::min(kLargestLossScale, 2 * state.scale);
    state.good_steps = 0;
  }
  return state;
}

bool overflow_is_divergence(const LossScaling& scaling, const LossScaleState& state) {
  return scaling.dynamic ? state.scale <= kSmallestLossScale
                         : state.skipped_in_row + 1 >= kSkippedStepsInRow;
}

}  // namespace cllm::optim
