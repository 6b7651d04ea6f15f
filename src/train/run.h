// A training run from start to end: corpus, run folder and the loop (train/run_loop.h), and the
// same again from a checkpoint.
#pragma once

#include <string>
#include <string_view>

#include "base/log.h"
#include "model/engine.h"
#include "runlog/run_folder.h"
#include "train/run_result.h"
#include "train/settings.h"
#include "train/trainer.h"

namespace cllm {

// Memory beside the plan, bytes: program, tokenizer, metrics, the mapped tokens in use. Measured;
// pages of the program's and its libraries' files, which the system takes back when it needs them,
// make up 11 MiB of it.
inline constexpr int64_t kOtherMemory = int64_t{14} << 20;

// Error (kMemory) if the plan and kOtherMemory do not fit into the available memory.
void require_memory(const MemoryPlan& memory);

// config.vocabulary_size = the tokenizer's, if it was left at 0. Error (kUsage) for less than that.
void take_vocabulary(const Tokenizer& tokenizer, ModelConfig& config);

// Starts a run in `folder`. settings are completed (vocabulary, shorter context, a measured
// parallel.mode) and stored there.
// command: how the user asked for it. Error (kUsage) if the folder holds something else, or a run
// and not `overwrite`; (kMemory) if the plan does not fit. Nothing is left behind by a start that
// fails.
RunResult start_run(RunSettings settings, const fs::path& folder, bool overwrite,
                    const std::string& command, const Engine& engine, Log& log,
                    const RunControls& controls);

// Continues a run from its newest good checkpoint, bit for bit as if it had not stopped. settings:
// those stored with the run, perhaps changed where may_change_on_resume; they are stored. A run
// that stopped early goes on only with more steps or another patience than it was stored with.
// Error (kUsage), before anything is written, for fewer steps than are done.
RunResult resume_run(RunSettings settings, const RunFolder& folder, const Engine& engine, Log& log,
                     const RunControls& controls);

// Whether a setting may differ when a run is resumed: whatever does not belong to what the model,
// its data or the checkpoint's moments are.
bool may_change_on_resume(std::string_view key);

// The settings stored with a run; binder is bound to where they go.
void read_run_settings(const RunFolder& folder, SettingsBinder& binder);
RunSettings stored_run_settings(const RunFolder& folder);

// With the threads and the orders of work that the settings ask for.
Engine engine_of(const RunSettings& settings);

}  // namespace cllm
