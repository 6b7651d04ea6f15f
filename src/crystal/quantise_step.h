// The step at which a layer's integers have a wanted entropy, which is what an ideal coder pays.
#pragma once

#include "crystal/quantise.h"

namespace cllm {

// One step for all rows such that quantise's integers have `bits` > 0 bits of empirical entropy
// each, within 0.002 bits unless the entropy jumps there (few or structured weights). Measured on
// up to `rows` rows, evenly spread: some six calls of quantise. 1 for weights that are all zero.
// Errors as quantise.
double step_for_entropy(const QuantiseProblem& problem, double bits, const QuantiseOptions& options,
                        ThreadPool& pool, size_t rows = 256);

}  // namespace cllm
