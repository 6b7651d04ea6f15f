// Results of ablations that nobody made: arms with losses that a test chooses.
#pragma once

#include <string>

#include "train/ablation.h"

namespace cllm {

inline ArmRun run_of(uint64_t seed, double loss, const std::string& order,
                     const std::string& initial) {
  ArmRun run;
  run.seed = seed;
  run.figures = {{Quantity::kLoss, loss}, {Quantity::kSeconds, 1.0}, {Quantity::kBytes, 4000.0}};
  run.parameters = 1000;
  run.flops_per_token = 6000;
  run.order_hash = order;
  run.initial_hashes = {{"head.weight", initial}};
  for (const int64_t step : {1, 2}) {
    run.metrics.steps.push_back(
        {.step = step, .loss = 3, .tokens = 10 * step, .seconds = 0.5 * static_cast<double>(step)});
    run.metrics.evaluations.push_back({.step = step, .loss = loss + 2 - static_cast<double>(step)});
  }
  return run;
}

inline AblationResult result_of(double plain, double technique) {
  AblationResult result{
      {"a-name", {{"plain", {}}, {"with", {"a.b=1"}}}, {{"with", "plain", Quantity::kLoss}}},
      2,
      {{}, {}}};
  for (const uint64_t seed : {1, 2, 3}) {
    const double noise = 0.001 * static_cast<double>(seed);
    result.runs[0].push_back(run_of(seed, plain + noise, "order", "first"));
    result.runs[1].push_back(run_of(seed, technique - noise, "order", "first"));
  }
  return result;
}

// A training and two arms made of it: a is worse than b by 0.1 nats in 10 % more bytes.
inline AblationResult compressed_result() {
  const DerivedArm gptq{"plain", CompressedArm{QuantiseMethod::kGptq, 3}};
  AblationResult result{{"bits",
                         {{"plain", {}}, {"a", {}, gptq, "gptq"}, {"b", {}, gptq}},
                         {{"a", "b", Quantity::kLoss}}},
                        2,
                        {{}, {}, {}}};
  for (const uint64_t seed : {1, 2, 3}) {
    const double loss = 2 + static_cast<double>(seed);
    result.runs[0].push_back(run_of(seed, loss, "order", "first"));
    result.runs[1].push_back(
        {.seed = seed, .figures = {{Quantity::kLoss, loss + 0.3}, {Quantity::kBytes, 1100}}});
    result.runs[2].push_back(
        {.seed = seed, .figures = {{Quantity::kLoss, loss + 0.2}, {Quantity::kBytes, 1000}}});
  }
  return result;
}

}  // namespace cllm
