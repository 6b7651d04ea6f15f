// parallel.mode = auto: the way of sharing a step among threads that is faster here, from a short
// measurement.
#pragma once

#include <functional>

#include "data/dataset.h"
#include "train/settings.h"
#include "train/trainer.h"

namespace cllm {

// settings.parallel.mode; of kAuto what `available` bytes leave of it: kBatch if only that fits
// beside the program, kOperation if kBatch does not fit, kAuto if both do.
ParallelSettings::Mode affordable_mode(const Transformer& model, const RunSettings& settings,
                                       const ops::Context& context, int64_t available);

struct ParallelChoice {
  ParallelSettings::Mode mode = ParallelSettings::Mode::kOperation;
  // Tokens/s of the median step; 0 if memory left one way only.
  double batch_rate = 0, operation_rate = 0;
};

// Makes steps of each way that `available` bytes allow in turns, on fresh weights that they do not
// change: some half a second after a step that warms up, at least a step, of at most two
// micro-batches; and once more unless that took long. Where they allow one way only, nothing is
// measured. Holds one of the two at a time, so it takes no more memory than plan_memory says for
// kAuto. poll() is called between steps; an exception from it ends the work. Error (kMemory).
ParallelChoice choose_parallel(const Transformer& model, const ops::Context& context,
                               const RunSettings& settings, TokenView tokens, int64_t available,
                               const std::function<void()>& poll = {});

}  // namespace cllm
