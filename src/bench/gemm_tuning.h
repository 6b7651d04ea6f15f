// The size of the tasks of matrix products, measured: the candidates take turns on the products of
// a layer, in every precision the kernels multiply.
#pragma once

#include "bench/report.h"
#include "ops/context.h"

namespace cllm::bench {

// How much faster than the computed size another must be to take its place: less is noise.
inline constexpr double kLeastTuningGain = 1.01;

// Measures GemmBlocking::candidates(), appends a result for each (the geometric mean of the rates
// of all products) and a note that tells the choice. Returns the fastest, or the computed one if
// none beats it by kLeastTuningGain. Error (kMemory).
ops::GemmBlocking tune_gemm(const ops::Context& context, int rounds, const Progressed& progress,
                            Report& report);

// The choice alone: rates[i] of candidates[i], one of which is the computed one.
ops::GemmBlocking choose_fastest(const std::vector<ops::GemmBlocking>& candidates,
                                 const std::vector<double>& rates);

}  // namespace cllm::bench
