// How long a training step will take, from a few steps of the same model on random tokens.
#pragma once

#include <cstdint>

#include "model/engine.h"
#include "model/transformer.h"
#include "train/settings.h"

namespace cllm::cli {

struct StepTiming {
  double seconds = 0;    // of one optimizer step with the settings' batch and context
  int64_t B = 0, T = 0;  // what was timed
};

// Times steps of one and of two batches, which gives the cost of a batch and the fixed cost of the
// optimizer. A batch that would take long is timed with fewer or shorter sequences and scaled by
// its floating-point operations. A few seconds, and the memory of the batch timed. Error (kMemory).
StepTiming time_steps(const Transformer& model, const RunSettings& settings, const Engine& engine);

}  // namespace cllm::cli
