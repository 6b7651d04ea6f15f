// parallel.mode = auto: the way of sharing a step among threads that is faster here, from a short
// measurement.
#pragma once

#include <functional>

#include "data/dataset.h"
#include "train/settings.h"
#include "train/trainer.h"

namespace cllm {

struct ParallelChoice {
  ParallelSettings::Mode mode = ParallelSettings::Mode::kOperation;
  double batch_rate = 0, operation_rate = 0;  // tokens/s, the best of the turns
};

// Makes steps of each way in turns, on fresh weights that they do not change: some half a second
// after a step that warms up, at least a step, of at most two micro-batches; and once more unless
// that took long. Holds one of the two at a time, so it takes no more memory than plan_memory says
// for kAuto. poll() is called between steps; an exception from
// it ends the work. Error (kMemory).
ParallelChoice choose_parallel(const Transformer& model, const ops::Context& context,
                               const RunSettings& settings, TokenView tokens,
                               const std::function<void()>& poll = {});

}  // namespace cllm
