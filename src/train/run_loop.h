// One session of a training run, new or resumed: steps with their records, and what is due after
// them (evaluation, sample, checkpoint). A stop that is asked for is obeyed soon, also within an
// evaluation or a sample; what is left undone is part of the checkpoint and made up first when the
// run is resumed, so that it ends with the same bits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "model/engine.h"
#include "model/generator.h"
#include "runlog/metrics_writer.h"
#include "runlog/run_folder.h"
#include "train/corpus.h"
#include "train/evaluation.h"
#include "train/run_display.h"
#include "train/run_result.h"
#include "train/settings.h"
#include "train/trainer.h"

namespace cllm {

// Not thread-safe. References must outlive it.
class RunLoop {
 public:
  // Takes all memory of the session (plan_memory). Error (kMemory); (kData) for a sample.prompt
  // that the tokenizer cannot encode.
  RunLoop(const RunSettings& settings, const RunFolder& folder, const Corpus& corpus,
          const Transformer& model, const Engine& engine, Log& log, const RunControls& controls);

  // To be initialised or restored before run().
  Trainer& trainer() { return trainer_; }

  // Trains to the end, or until it is stopped. seconds_before: training time of earlier sessions.
  // Error (kDiverged) with what to do next; (kRuntime) if something cannot be written.
  RunResult run(MetricsWriter writer, double seconds_before);

 private:
  TrainingState& state() { return trainer_.state(); }
  bool has_ended() { return state().step >= settings_.train.steps || state().stopped_early; }
  // Whether something is due at this step that happens every `every` steps and at the end.
  bool is_due(int64_t every) { return state().step % every == 0 || has_ended(); }

  RunEnd loop();
  void train_step();
  StepResult step_or_advise();
  bool finish_step();
  bool evaluate_now();
  void judge();
  bool sample_now();
  void save_now();
  void event(const std::string& text);
  bool stop_is_wanted();
  bool stop_file_appeared() const;
  void record_failure(const Error& error);
  RunResult finish(RunResult result);

  const RunSettings& settings_;
  const RunFolder folder_;
  const Tokenizer& tokenizer_;
  Log& log_;
  const RunControls& controls_;
  Trainer trainer_;
  std::vector<int32_t> token_bytes_;
  std::optional<EvalWindows> windows_;
  std::optional<Generator> generator_;  // with sample.every > 0
  std::optional<MetricsWriter> metrics_;
  std::optional<RunDisplay> display_;
  Evaluation last_;
  double seconds_ = 0;
  int64_t first_step_ = 0;
  int64_t saved_step_ = -1;
  bool stop_wanted_ = false, save_wanted_ = false;
};

}  // namespace cllm
