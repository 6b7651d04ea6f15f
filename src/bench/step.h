// Whole training steps: configurations take turns, each in a process of its own, so that memory is
// known for each and none warms another's caches.
#pragma once

#include <string>
#include <vector>

#include "bench/report.h"
#include "bench/worker.h"
#include "train/settings.h"

namespace cllm::bench {

struct StepCase {
  std::string name;      // "baby", "baby, train.threads=1"
  RunSettings settings;  // vocabulary, batch, threads, precision, ... resolved
};

// Measures all cases and appends to the report: tokens/s, FLOP utilisation of the model against
// the peak of the precision measured after every turn, planned and resident memory, and the time
// by operation of one more step. Must be called before this process starts threads. Error (kMemory)
// if a case does not fit. A case that cannot be resident with the others is measured alone, with a
// note.
void measure_steps(const std::vector<StepCase>& cases, int rounds, const Progressed& progress,
                   Report& report);

}  // namespace cllm::bench
