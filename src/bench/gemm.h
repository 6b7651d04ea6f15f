// Our matrix product beside those of other libraries, on the same operands, in turns, with the peak
// of the machine measured among them. Every result is proved before it is timed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/gemm_opponents.h"
#include "bench/gemm_problem.h"
#include "bench/report.h"

namespace cllm::bench {

// One way to compute a product. prepare does what does not belong to its time and returns the timed
// part, or nothing if it cannot do this shape.
struct GemmVariant {
  std::string name;  // "ours", "oneDNN matmul"
  bool bf16 = false;
  bool ours = false;
  bool bf16_result = false;  // C is bf16, unless the product accumulates
  std::function<std::function<void()>(GemmProblem&)> prepare;
};

// Ours in both precisions, for the context's kernels and as training uses them (weights packed
// before, dW with all its packing), then the opponents'.
std::vector<GemmVariant> gemm_variants(const ops::Context& context, const Opponents& opponents);

// Measures all shapes, one after the other, and appends to the report: a result per shape and
// variant, the table, and a note for every variant that computes something wrong, which is not
// timed. CHECK if that is ours.
void measure_gemm(const ops::Context& context, const std::vector<GemmShape>& shapes,
                  const std::vector<GemmVariant>& variants, int rounds, const Progressed& progress,
                  Report& report);

}  // namespace cllm::bench
