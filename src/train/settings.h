// Every setting of a training run. The structs list their fields once (base/fields.h); defaults,
// help, parsing, range checks, the stored config.toml and the docs come from those lists.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/settings.h"
#include "crystal/vocabulary_order.h"
#include "model/config.h"
#include "model/sampler.h"
#include "optim/loss_scale.h"
#include "optim/schedule.h"

namespace cllm {

struct TokenizerSettings {
  enum class Kind { kAuto, kByte, kChar, kBpe };
  Kind kind = Kind::kAuto;         // auto: char for a small alphabet, else bpe
  int64_t vocabulary_size = 8192;  // of a bpe vocabulary to be trained
  std::string path;                // an existing tokenizer, instead of making one
  VocabularyOrder order = VocabularyOrder::kIdentity;  // of a vocabulary that is made
  void list(FieldList& fields);
};

struct DataSettings {
  std::vector<std::string> train;       // files, folders, "-", token files, a prepared folder
  std::vector<std::string> validation;  // empty: the end of the training text
  double validation_fraction = 0.1;
  int64_t stories = 0;  // bytes of the built-in corpus instead of `train`
  void list(FieldList& fields);
};

inline constexpr EnumName<nn::Recompute> kRecomputeNames[] = {{nn::Recompute::kNone, "none"},
                                                              {nn::Recompute::kCheap, "cheap"},
                                                              {nn::Recompute::kBlock, "block"}};

struct TrainSettings {
  int64_t steps = 1000;
  int64_t batch_size = 32;
  int64_t gradient_accumulation_steps = 1;
  nn::Recompute recompute = nn::Recompute::kNone;
  double clip_norm = 1.0;
  double ema_decay = 0;  // 0: no average of the weights
  int64_t seed = 1337;
  int64_t threads = 0;
  int64_t log_every = 10;
  std::string init;  // a model to begin with (train/initial_model.h); "": fresh weights
  void list(FieldList& fields);
};

struct OptimizerSettings {
  enum class Kind { kAdamw, kSgd, kMuon };
  Kind kind = Kind::kAdamw;
  double learning_rate = 1e-3;
  double embedding_learning_rate = 0, head_learning_rate = 0;  // 0: the same
  double beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8;
  double momentum = 0.9;
  double weight_decay = 0.1;
  // Of the matrices of the blocks, with kMuon; AdamW has the rest.
  double muon_learning_rate = 0.02;
  double muon_momentum = 0.95;
  int64_t muon_momentum_warmup = 200;
  double muon_weight_decay = 0.1;
  bool muon_cautious_decay = false;
  void list(FieldList& fields);

 private:
  void list_muon(FieldList& fields);
};

struct PrecisionSettings {
  enum class Mode { kFp32, kBf16, kFp16 };
  Mode mode = Mode::kFp32;
  double loss_scale = 0;  // of fp16; 0: dynamic
  ops::Storage storage() const;
  void list(FieldList& fields);
};

struct ParallelSettings {
  enum class Mode { kAuto, kBatch, kOperation };
  enum class Reduction { kTree, kFixed, kSuper };
  Mode mode = Mode::kOperation;
  int64_t shards = 4;
  Reduction reduction = Reduction::kTree;
  bool exact() const { return reduction != Reduction::kTree; }
  ops::TileOrder tile_order = ops::TileOrder::kStraight;
  ops::TokenOrder token_order = ops::TokenOrder::kBatch;
  void list(FieldList& fields);
};

struct ScheduleSettings {
  optim::ScheduleKind lr_scheduler = optim::ScheduleKind::kCosine;
  int64_t warmup_steps = 100;
  double min_learning_rate = 1e-4;
  int64_t step_every = 1000;
  double step_factor = 0.5;
  double decay_share = 0.2;
  void list(FieldList& fields);
};

struct EvaluationSettings {
  int64_t every = 250;   // steps; the end is always evaluated
  int64_t windows = 0;   // held-out windows per evaluation; 0 = all
  int64_t patience = 0;  // evaluations without improvement before stopping; 0 = never stop early
  void list(FieldList& fields);
};

struct CheckpointSettings {
  int64_t every = 500;  // steps; the end is always saved
  int64_t keep = 2;     // newest ones; the best is kept beside them
  void list(FieldList& fields);
};

struct SampleSettings {
  int64_t every = 500;  // steps; 0 = none
  std::string prompt;
  int64_t tokens = 128;
  void list(FieldList& fields);
};

struct RunSettings {
  ModelConfig model;
  TokenizerSettings tokenizer;
  DataSettings data;
  TrainSettings train;
  PrecisionSettings precision;
  ParallelSettings parallel;
  OptimizerSettings optimizer;
  ScheduleSettings schedule;
  EvaluationSettings evaluation;
  CheckpointSettings checkpoint;
  SampleSettings sample;
  SamplingOptions sampling;

  // Binds every section; this object must stay where it is.
  void bind(SettingsBinder& binder);
  // The schedule in the optimizer's terms.
  optim::Schedule learning_rate_schedule() const;
  // The loss scaling in the optimizer's terms: a fixed 1 outside of fp16.
  optim::LossScaling loss_scaling() const;
  // Whether each block is updated as soon as its backward pass is done, so that no arena of all
  // gradients exists: there is nothing to clip, to add up (batches or shards) or to skip.
  bool updates_in_backward() const;
  // Error (kUsage) for combinations that mean nothing; the first asks nothing of `data`.
  void validate_training() const;
  void validate() const;

 private:
  void validate_reduction() const;
};

}  // namespace cllm
