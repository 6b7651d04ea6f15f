// Ablations: a technique against its baseline, everything else equal. An arm is a set of settings
// on top of common ones, which is trained, or is derived from the training of another arm
// (train/derived_arm.h); all with the same seeds, so that figures are compared seed by seed. Each
// training is a run of its own (train/run.h) and each derived arm a file of figures, so an ablation
// that is stopped goes on where it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "runlog/metrics.h"
#include "train/arm_figures.h"
#include "train/derived_arm.h"
#include "train/run_result.h"
#include "train/settings.h"

namespace cllm {

struct AblationArm {
  std::string name;                        // "order-4"; also of folders
  std::vector<std::string> assignments;    // "model.ngram_order=4"; of an arm that is trained
  std::optional<DerivedArm> derived = {};  // how it is made of an earlier arm instead
  std::string curve = {};                  // arms of one name are joined in pictures by size
};

// That an arm is better than another.
struct AblationClaim {
  std::string arm, against;
  Quantity quantity = Quantity::kLoss;
};

struct Ablation {
  std::string name;               // "ngram-memory"
  std::vector<AblationArm> arms;  // the baseline first, which is trained; at least two
  std::vector<AblationClaim> claims;
};

// In ablation_names.cc.
const std::vector<Ablation>& ablations();
// Error (kUsage) with the names for an unknown one.
const Ablation& find_ablation(std::string_view name);

// One arm with one seed.
struct ArmRun {
  uint64_t seed = 0;
  Figures figures;
  // The rest only of an arm that was trained.
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

// Trains and derives what `folder` does not hold yet, each arm with an engine of its own settings.
// Interrupted (train/interrupted.h) if controls.poll asks for a stop; errors of start_run,
// resume_run and derive. Error (kUsage) if the folder holds something else or an ablation of other
// settings, or if an arm cannot be made with these.
AblationResult run_ablation(const Ablation& ablation, const AblationPlan& plan,
                            const fs::path& folder, const std::string& command, Log& log,
                            const RunControls& controls);

}  // namespace cllm
