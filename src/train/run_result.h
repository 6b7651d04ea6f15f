// What goes into one session of a training run besides its settings, and what comes out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/file.h"
#include "train/evaluation.h"

namespace cllm {

enum class RunRequest { kNone, kSave, kStop };

struct RunControls {
  // What the outside asks for. Called after every step, while it prepares, evaluates and samples; a
  // kSave is answered once, a kStop soon.
  std::function<RunRequest()> poll;
};

enum class RunEnd { kFinished, kStoppedEarly, kInterrupted };

struct RunResult {
  RunEnd end = RunEnd::kFinished;
  int64_t step = 0;
  Evaluation last;  // the newest evaluation; tokens == 0 if there was none
  double best_loss = 0;
  int64_t best_step = -1;
  double seconds = 0;            // training time, resumes included
  double tokens_per_second = 0;  // mean over those seconds
  fs::path folder;
  fs::path checkpoint;          // the newest
  std::string checkpoint_hash;  // of its manifest: equal if and only if every file of two
                                // checkpoints is equal
};

}  // namespace cllm
