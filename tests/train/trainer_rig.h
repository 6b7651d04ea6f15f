// A small training problem: a model, random text, threads and a Trainer.
#pragma once

#include <memory>
#include <vector>

#include "testing.h"
#include "train/trainer.h"

namespace cllm {

inline RunSettings gpt2_settings() {
  RunSettings settings;
  settings.model.vocabulary_size = 257;  // of Tokenizer::byte()
  settings.model.context_length = 16;
  settings.model.layers = 2;
  settings.model.heads = 3;
  settings.model.width = 24;
  settings.model.dropout = 0.1;
  settings.train.batch_size = 3;
  settings.train.gradient_accumulation_steps = 2;
  settings.train.steps = 20;
  settings.train.seed = 5;
  settings.optimizer.learning_rate = 1e-2;
  settings.schedule.warmup_steps = 2;
  return settings;
}

inline RunSettings llama_settings() {
  RunSettings settings = gpt2_settings();
  settings.model.norm = nn::NormKind::kRmsNorm;
  settings.model.position = PositionKind::kRotary;
  settings.model.mlp = nn::MlpKind::kSwiglu;
  settings.model.bias = false;
  settings.model.heads = 4;
  settings.model.kv_heads = 2;
  settings.model.tied_head = false;
  settings.model.dropout = 0;
  settings.model.qk_norm = true;
  settings.model.logit_softcap = 10;
  return settings;
}

struct TrainerRig {
  explicit TrainerRig(const RunSettings& wanted, int threads = 2)
      : settings(wanted),
        model(settings.model),
        dataset(TokenDataset::from_tokens(
            testing::random_tokens(700, static_cast<int32_t>(settings.model.vocabulary_size), 8),
            static_cast<int>(settings.model.vocabulary_size))),
        pool(threads),
        context{pool, kernels::chosen_table()},
        trainer(model, context, settings, dataset.all()) {
    trainer.initialise();
  }

  std::vector<float> weights() {
    return {trainer.weights(), trainer.weights() + model.parameters().arena_floats()};
  }
  // Weights and moments in one vector.
  std::vector<float> everything(const Tokenizer& tokenizer) {
    std::vector<float> all = weights();
    for (const NamedArena& arena : trainer.contents(tokenizer).moments)
      all.insert(all.end(), arena.data, arena.data + model.parameters().arena_floats());
    return all;
  }
  StepResult steps(int count) {
    StepResult last;
    for (int i = 0; i < count; ++i)
      last = trainer.step();
    return last;
  }

  const RunSettings settings;
  const Transformer model;
  const TokenDataset dataset;
  ThreadPool pool;
  const ops::Context context;
  Trainer trainer;
};

inline bool operator==(const TrainingState& a, const TrainingState& b) {
  return a.step == b.step && a.micro_steps == b.micro_steps && a.tokens == b.tokens &&
         a.loader == b.loader && a.best_loss == b.best_loss && a.best_step == b.best_step &&
         a.evaluations_since_best == b.evaluations_since_best &&
         a.stopped_early == b.stopped_early && a.evaluation_owed == b.evaluation_owed &&
         a.sample_owed == b.sample_owed;
}

}  // namespace cllm
