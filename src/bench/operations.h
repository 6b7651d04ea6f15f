// Every operation of training but the matrix products, at the shapes of a preset: what it takes per
// element, and the share of the memory bandwidth (or, for attention, of the arithmetic peak) that
// the machine gave in the same turns.
#pragma once

#include <string>
#include <vector>

#include "bench/presets.h"
#include "bench/report.h"
#include "ops/context.h"

namespace cllm::bench {

// Names of the operations of a preset, as measure_operations calls them.
std::vector<std::string> operation_names();

// Measures the operations whose name contains one of `only` (all if it is empty) and appends a
// result each, in seconds per call. Error (kMemory).
void measure_operations(const ops::Context& context, const std::vector<BenchPreset>& presets,
                        const std::vector<std::string>& only, int rounds,
                        const Progressed& progress, Report& report);

}  // namespace cllm::bench
