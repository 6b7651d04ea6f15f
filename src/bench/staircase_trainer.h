// What trains on a stair: the plain pipeline (one thread, shards of the batch with gradients of
// their own, or threads inside operations), or this program's Trainer. Same weights from the seed,
// same batches, same optimizer.
#pragma once

#include <memory>

#include "bench/staircase_stairs.h"
#include "data/dataset.h"
#include "model/transformer.h"
#include "ops/context.h"
#include "train/settings.h"

namespace cllm::bench {

class StairTrainer {
 public:
  virtual ~StairTrainer() = default;
  struct Step {
    double loss = 0;           // nats per token, of the step's tokens
    double gradient_norm = 0;  // before clipping
  };
  // One optimizer step over the settings' batch, all accumulated batches together.
  virtual Step step() = 0;
};

// The settings of a stair's training with `batch` sequences per optimizer step. They accumulate as
// many batches as divide both that and the stair's accumulation.
RunSettings stair_settings(const ModelConfig& model, const Features& features, int64_t batch);

// With fresh weights. model, settings (of stair_settings), the dataset behind `tokens` and context
// (all threads that a stair may use, and the fastest kernels) must outlive it. Error (kMemory).
std::unique_ptr<StairTrainer> make_stair_trainer(const Features& features, const Transformer& model,
                                                 const RunSettings& settings, TokenView tokens,
                                                 const ops::Context& context);

}  // namespace cllm::bench
