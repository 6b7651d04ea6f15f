// The part of `cllm bench step` that runs in the process of a case.
#pragma once

#include "bench/worker.h"
#include "train/settings.h"

namespace cllm::bench {

// Answers, as JSON: "ready" {flops_per_token, tokens_per_step, threads, planned_bytes}, after one
// step that warms up; "turn" {seconds: of a step, peak: GFLOP/s of the precision, 0 if unknown};
// "profile" {seconds: of one step, operations: {name: seconds}, resident_bytes: the peak}.
Worker::Serve serve_steps(const RunSettings& settings);

// Bytes that the process of a case will take.
int64_t planned_step_bytes(RunSettings settings);

}  // namespace cllm::bench
