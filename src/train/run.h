// A training run from start to end: corpus, run folder, the loop with its log, evaluations, samples
// and checkpoints, and the same again from a checkpoint.
#pragma once

#include <functional>
#include <string>

#include "base/log.h"
#include "model/engine.h"
#include "runlog/run_folder.h"
#include "train/settings.h"
#include "train/trainer.h"

namespace cllm {

// What the outside asks for between two steps.
enum class RunRequest { kNone, kSave, kStop };

struct RunControls {
  std::function<RunRequest()>
      poll;  // asked after every step and during preparation; a kSave is answered once
};

enum class RunEnd { kFinished, kStoppedEarly, kInterrupted };

struct RunResult {
  RunEnd end = RunEnd::kFinished;
  int64_t step = 0;
  Evaluation last;  // the newest evaluation; tokens == 0 if there was none
  double best_loss = 0;
  int64_t best_step = -1;
  double seconds = 0;            // training time, resumes included
  double tokens_per_second = 0;  // mean of this session
  fs::path folder;
  fs::path checkpoint;          // the newest
  std::string checkpoint_hash;  // of its manifest: equal if and only if every file of two
                                // checkpoints is equal
};

// Memory beside the plan, bytes: program, tokenizer, metrics, the mapped tokens in use.
inline constexpr int64_t kOtherMemory = int64_t{64} << 20;

// Error (kMemory) if the plan and kOtherMemory do not fit into the available memory.
void require_memory(const MemoryPlan& memory);

// Starts a run in `folder`. settings are completed (vocabulary, shorter context) and stored there.
// command: how the user asked for it. Error (kUsage) if the folder holds something else, or a run
// and not `overwrite`; (kMemory) if the plan does not fit. Nothing is left behind by a start that
// fails.
RunResult start_run(RunSettings settings, const fs::path& folder, bool overwrite,
                    const std::string& command, const Engine& engine, Log& log,
                    const RunControls& controls);

// Continues a run from its newest good checkpoint, bit for bit as if it had not stopped. settings:
// those stored with the run, perhaps with more steps.
RunResult resume_run(RunSettings settings, const RunFolder& folder, const Engine& engine, Log& log,
                     const RunControls& controls);

// The settings stored with a run. binder is bound to them.
void read_run_settings(const RunFolder& folder, SettingsBinder& binder);

}  // namespace cllm
