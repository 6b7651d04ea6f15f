// Ablations: a technique against its baseline, everything else equal. An arm is a set of settings
// on top of common ones; every arm is trained with the same seeds, so that figures are compared
// seed by seed. Each training is a run of its own (train/run.h), so an ablation that is stopped
// goes on where it was.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "model/engine.h"
#include "runlog/metrics.h"
#include "train/run_result.h"
#include "train/settings.h"

namespace cllm {

struct AblationArm {
  std::string name;                      // "order-4"; also of folders
  std::vector<std::string> assignments;  // "model.ngram_order=4"
};

struct Ablation {
  std::string name;               // "ngram-memory"
  std::string claim;              // of every arm against the baseline: "lowers the held-out loss"
  std::vector<AblationArm> arms;  // the baseline first; at least two
  bool claims_time = false;       // of every arm against the baseline: "takes less time"
};

const std::vector<Ablation>& ablations();
// Error (kUsage) with the names for an unknown one.
const Ablation& find_ablation(std::string_view name);

// One training of an arm.
struct ArmRun {
  uint64_t seed = 0;
  Metrics metrics;
  int64_t parameters = 0;
  double flops_per_token = 0;
  // What must be equal for the comparison to be one, as the run recorded it: the tokens that it was
  // trained on, in order, and, by name, the bits that a parameter began with.
  std::string order_hash;
  std::vector<std::pair<std::string, std::string>> initial_hashes;
};

struct AblationResult {
  Ablation ablation;
  int64_t steps = 0;
  std::vector<std::vector<ArmRun>> runs;  // [arm][seed]
};

// seeds: 1 ... seeds. budget: seconds for all trainings together, or 0 for settings.train.steps;
// the steps that it allows are measured by a short training of every arm, and stored for the next
// start.
struct AblationPlan {
  RunSettings settings;  // common to all arms
  int64_t seeds = 5;
  double budget = 0;
};

// Trains what `folder` does not hold yet. Interrupted (train/interrupted.h) if controls.poll asks
// for a stop; errors of start_run and resume_run. Error (kUsage) if the folder holds something else
// or an ablation of other settings.
AblationResult run_ablation(const Ablation& ablation, const AblationPlan& plan,
                            const fs::path& folder, const std::string& command,
                            const Engine& engine, Log& log, const RunControls& controls);

}  // namespace cllm
