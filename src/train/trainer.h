// The training loop's inside: one optimizer step over planned memory, and the state that makes
// a run exactly resumable. What is shown, logged and saved around it is train/run.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/loader.h"
#include "tensor/arena.h"
#include "train/checkpoint.h"
#include "train/gradient_source.h"
#include "train/settings.h"
#include "train/streamed_update.h"
#include "train/weight_updater.h"

namespace cllm {

// Planned memory of a run, bytes.
struct MemoryPlan {
  int64_t weights = 0, gradients = 0, moments = 0, activations = 0;
  int64_t average = 0;         // of the weights, with train.ema_decay
  int64_t update_scratch = 0;  // of the optimizer
  int64_t sampling = 0;        // a Generator's cache and activations, with sample.every > 0
  int64_t prior = 0;           // what the model has of one
  int64_t total() const {
    return weights + gradients + moments + activations + average + update_scratch + sampling +
           prior;
  }
};

// From shapes alone; what a Trainer, and the Generator of a run beside it, will take. For
// parallel.mode = auto the larger of what its two choices take.
MemoryPlan plan_memory(const Transformer& model, const RunSettings& settings,
                       const ops::Context& context);

struct StepResult {
  double loss = 0;           // nats per token, mean over the step's tokens
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  double loss_scale = 1;  // used by this step
  bool skipped = false;   // the scaled gradients overflowed: nothing was updated
};

// Not thread-safe. References must outlive it; settings.parallel.mode is not kAuto. Error (kMemory)
// if memory cannot be had. After the first call, step() allocates nothing.
class Trainer {
 public:
  // made_ids: if not empty, token t was made with the id made_ids[t] (crystal/vocabulary_order.h):
  // it begins with the fresh rows of that one, and counts as that one in state().data_hash.
  Trainer(const Transformer& model, const ops::Context& context, const RunSettings& settings,
          TokenView tokens, std::vector<Token> made_ids = {});

  // Fresh weights from the seed, or those of train.init.
  void initialise();

  // One optimizer step over batch_size * gradient_accumulation_steps sequences. Error (kDiverged),
  // before the update, naming the first bad tensor and without a hint, if the loss or the gradient
  // is not finite. In fp16 a gradient that is not finite skips the step instead, unless its loss
  // scale cannot be the reason.
  // If updates are part of the backward pass, a loss that is not finite stops the step before all
  // of them, but a gradient that is not finite when the blocks behind it have been updated: the
  // weights and moments are then those of no step, and training can only go on from a checkpoint.
  StepResult step();

  TrainingState& state() { return state_; }
  const TrainingState& state() const { return state_; }
  GradientSource& source() { return *source_; }
  const WeightUpdater& updater() const { return updater_; }
  int64_t gradient_bytes() const { return gradients_.bytes() + source_->gradient_bytes(); }
  float* weights() { return weights_.data(); }
  // What is judged, sampled and published: the average of the weights if there is one.
  float* evaluation_weights() { return average_.floats() > 0 ? average_.data() : weights_.data(); }
  CheckpointContents contents(const Tokenizer& tokenizer);
  // After load_checkpoint into contents(): continue from this state.
  void restore(const TrainingState& state);
  int64_t tokens_per_step() const;

 private:
  MicroBatch next_batch();
  double accumulate_gradients();
  void step_at_once(StepResult& result);
  void step_by_ranges(StepResult& result);
  // Of the step under way, from 1; skipped ones are not counted.
  int64_t update_number() const { return state_.step + 1 - state_.loss_scale.skipped_steps; }
  UpdateStep update_step(const StepResult& result) const;
  double scaled_gradient_norm();
  [[noreturn]] void diverge(const StepResult& result);
  [[noreturn]] void diverge_in(ParameterRange range);

  const Transformer& model_;
  const ops::Context& context_;
  const RunSettings& settings_;
  optim::Schedule schedule_;
  std::unique_ptr<GradientSource> source_;
  WeightUpdater updater_;
  std::optional<GradientWindow> window_;  // if updates are part of the backward pass
  Arena weights_, gradients_, average_;   // gradients of the whole model, or the window
  std::optional<StreamedUpdate> streamed_;
  std::vector<double> norm_partials_;
  BatchLoader loader_;
  std::vector<int32_t> tokens_, targets_;
  std::vector<Token> made_ids_;
  std::vector<int32_t> hashed_;  // a sequence in the ids that were made
  uint64_t data_hash_ = 0;       // with the step under way
  TrainingState state_;
};

}  // namespace cllm
