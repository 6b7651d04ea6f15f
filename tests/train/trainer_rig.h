// A small training problem: a model, random text, threads and a Trainer.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "crystal/ngram_prior.h"
#include "testing.h"
#include "testing_codes.h"
#include "train/baseline.h"
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

// Muon, an average of the weights, rates and a loss scale of their own.
inline RunSettings muon_settings() {
  RunSettings settings = llama_settings();
  settings.optimizer.kind = OptimizerSettings::Kind::kMuon;
  settings.optimizer.embedding_learning_rate = 2e-2;
  settings.optimizer.head_learning_rate = 5e-3;
  settings.optimizer.muon_cautious_decay = true;
  settings.optimizer.muon_momentum_warmup = 4;
  settings.train.ema_decay = 0.9;
  settings.model.ngram_order = 3;
  settings.model.ngram_modulus_a = 61;
  settings.model.ngram_modulus_b = 59;
  settings.model.ngram_dropout = 0.2;
  settings.precision.mode = PrecisionSettings::Mode::kFp16;
  return settings;
}

inline RunSettings factorised_settings() {
  RunSettings settings = gpt2_settings();
  settings.model.embedding = nn::EmbeddingKind::kFactorised;
  settings.model.embedding_width = 10;
  return settings;
}

inline RunSettings lattice_settings() {
  RunSettings settings = gpt2_settings();
  settings.model.embedding = nn::EmbeddingKind::kLattice;
  return settings;
}

// The codes are testing::test_codes().
inline RunSettings composite_settings() {
  RunSettings settings = llama_settings();
  settings.model.tied_head = true;
  settings.model.embedding = nn::EmbeddingKind::kComposite;
  settings.model.embedding_primes = 60;
  settings.model.embedding_dense_rows = 10;
  return settings;
}

// Beside a prior.
inline RunSettings residual_settings() {
  RunSettings settings = llama_settings();
  settings.model.prior_order = 3;
  return settings;
}

struct TrainerRig {
  explicit TrainerRig(const RunSettings& wanted, int threads = 2)
      : settings(wanted),
        dataset(TokenDataset::from_tokens(
            testing::random_tokens(700, static_cast<int32_t>(settings.model.vocabulary_size), 8),
            static_cast<int>(settings.model.vocabulary_size))),
        model(settings.model, testing::test_codes(settings.model), prior()),
        pool(threads),
        context{.pool = pool,
                .kernels = kernels::chosen_table(),
                .tiles = settings.parallel.tile_order,
                .tokens = settings.parallel.token_order},
        trainer(model, context, settings, dataset.all()) {
    trainer.initialise();
  }

  std::shared_ptr<const LogitPrior> prior() const {
    const ModelConfig& config = settings.model;
    if (config.prior_order == 0) return nullptr;
    return std::make_shared<const NgramPrior>(
        count_ngrams(dataset.all(), config.vocabulary_size, static_cast<int>(config.prior_order)),
        0, true);
  }
  std::vector<float> weights() {
    return {trainer.weights(), trainer.weights() + model.parameters().arena_floats()};
  }
  std::vector<float> evaluation_weights() {
    return {trainer.evaluation_weights(),
            trainer.evaluation_weights() + model.parameters().arena_floats()};
  }
  // Weights, their average and moments in one vector.
  std::vector<float> everything(const Tokenizer& tokenizer) {
    std::vector<float> all = weights(), average = evaluation_weights();
    all.insert(all.end(), average.begin(), average.end());
    for (const NamedArena& arena : trainer.contents(tokenizer).moments)
      for_each_part(model.parameters(), arena, [&](const Parameter& parameter, const float* data) {
        all.insert(all.end(), data, data + parameter.count);
      });
    return all;
  }
  StepResult steps(int count) {
    StepResult last;
    for (int i = 0; i < count; ++i)
      last = trainer.step();
    return last;
  }

  const RunSettings settings;
  const TokenDataset dataset;
  const Transformer model;
  ThreadPool pool;
  const ops::Context context;
  Trainer trainer;
};

inline bool operator==(const TrainingState& a, const TrainingState& b) {
  return a.step == b.step && a.micro_steps == b.micro_steps && a.tokens == b.tokens &&
         a.data_hash == b.data_hash && a.loader == b.loader && a.loss_scale == b.loss_scale &&
         a.best_loss == b.best_loss && a.best_step == b.best_step &&
         a.evaluations_since_best == b.evaluations_since_best &&
         a.stopped_early == b.stopped_early && a.evaluation_owed == b.evaluation_owed &&
         a.sample_owed == b.sample_owed;
}

inline double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum);
}

// The step must throw an Error (kDiverged) and leave weights, moments and state as they were.
inline std::string divergence_of(TrainerRig& rig) {
  const std::vector<float> before = rig.everything(Tokenizer::byte());
  const TrainingState state = rig.trainer.state();
  try {
    rig.trainer.step();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 4);
    EXPECT_TRUE(testing::same_bits(rig.everything(Tokenizer::byte()), before))
        << "an update was made";
    EXPECT_TRUE(rig.trainer.state() == state);
    return error.what();
  }
  return "nothing was thrown";
}

// Logits stay small, but the gradient of the final norm's gain is about `size` times as large as
// usual.
inline void enlarge_gradient(TrainerRig& rig, float size) {
  const ParameterTable& table = rig.model.parameters();
  const Parameter& head = *table.find("head.weight");
  for (int64_t i = 0; i < head.count; ++i)
    rig.trainer.weights()[head.offset + i] *= size;
  const Parameter& gain = *table.find("final_norm.gain");
  for (int64_t i = 0; i < gain.count; ++i)
    rig.trainer.weights()[gain.offset + i] = 10 / size;
}

inline RunSettings settings_without_limits() {
  RunSettings settings = llama_settings();
  settings.model.qk_norm = false;
  settings.model.logit_softcap = 0;
  settings.model.tied_head = false;
  return settings;
}

// In each precision; the loss scale of fp16 is a dynamic one.
inline std::vector<RunSettings> in_every_precision(RunSettings settings) {
  using Mode = PrecisionSettings::Mode;
  std::vector<RunSettings> all;
  for (const Mode mode : {Mode::kFp32, Mode::kBf16, Mode::kFp16}) {
    settings.precision.mode = mode;
    all.push_back(settings);
  }
  return all;
}

// In each precision with each amount of recomputation.
inline std::vector<RunSettings> in_every_storage(const RunSettings& settings) {
  std::vector<RunSettings> all;
  for (RunSettings& stored : in_every_precision(settings)) {
    for (const nn::Recompute recompute :
         {nn::Recompute::kNone, nn::Recompute::kCheap, nn::Recompute::kBlock}) {
      stored.train.recompute = recompute;
      all.push_back(stored);
    }
  }
  return all;
}

// For SCOPED_TRACE.
inline std::string storage_name(const RunSettings& settings) {
  constexpr const char* kModes[] = {"fp32", "bf16", "fp16"};
  constexpr const char* kLevels[] = {"none", "cheap", "block"};
  return fmt::format("{}, recompute {}", kModes[static_cast<int>(settings.precision.mode)],
                     kLevels[static_cast<int>(settings.train.recompute)]);
}

// One batch per step and no clipping; blocks enough that they do not all have a place of their own.
inline RunSettings in_backward(RunSettings settings) {
  settings.model.layers = 3;
  settings.train.gradient_accumulation_steps = 1;
  settings.train.clip_norm = 0;
  return settings;
}

}  // namespace cllm
