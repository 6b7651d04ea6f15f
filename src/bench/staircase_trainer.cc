#include "bench/staircase_trainer.h"

#include <algorithm>
#include <exception>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "bench/staircase_worker.h"
#include "data/loader.h"
#include "ops/chunks.h"
#include "ops/elementwise.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "train/trainer.h"

namespace cllm::bench {
namespace {

const kernels::Table& table_of(const Features& features, const ops::Context& context) {
  return features.simd ? context.kernels : *kernels::find_table("scalar");
}

std::vector<optim::ParameterSpan> spans_of(const ParameterTable& table) {
  std::vector<optim::ParameterSpan> spans;
  for (const Parameter& parameter : table.all()) {
    optim::ParameterSpan span;
    span.begin = parameter.offset;
    span.count = parameter.count;
    span.decays = parameter.is_matrix();
    spans.push_back(span);
  }
  return spans;
}

// The origins' training, made real: batches of one loader cut into as many shards as the stair has
// threads for, gradients of the shards summed in their order, AdamW.
class PlainTrainer : public StairTrainer {
 public:
  PlainTrainer(const Features& features, const Transformer& model, const RunSettings& settings,
               TokenView tokens, const ops::Context& context);
  Step step() override;

 private:
  // A part of the batch with the thread, the worker and the gradients that are its own.
  struct Shard {
    int64_t first = 0, sequences = 0;
    std::unique_ptr<Solo> solo;
    std::unique_ptr<PlainWorker> worker;
    Arena gradients;
    double loss = 0;
    std::exception_ptr failure;  // a task of the pool must not throw
  };
  void add_shard(const Features& features, int64_t first, int64_t sequences);
  void train_shard(Shard& shard);
  void train_shards();
  void sum_gradients();
  double accumulate_gradients();

  const Transformer& model_;
  const RunSettings& settings_;
  const ops::Context& team_;  // all threads
  Solo alone_;
  const ops::Context context_;  // of what is done once for all shards: sums and the optimizer
  BatchLoader loader_;
  std::vector<int32_t> tokens_, targets_;
  std::vector<optim::ParameterSpan> spans_;
  std::vector<Shard> shards_;
  Arena weights_, first_moment_, second_moment_;
  std::vector<double> norm_partials_;
  int64_t steps_ = 0;
};

PlainTrainer::PlainTrainer(const Features& features, const Transformer& model,
                           const RunSettings& settings, TokenView tokens,
                           const ops::Context& context)
    : model_(model),
      settings_(settings),
      team_(context),
      alone_(table_of(features, context)),
      context_{features.threads == StairThreads::kOne ? alone_.pool : context.pool,
               table_of(features, context)},
      loader_(tokens, settings.train.batch_size, model.config().context_length,
              static_cast<uint64_t>(settings.train.seed)),
      spans_(spans_of(model.parameters())) {
  const int64_t B = settings.train.batch_size, floats = model.parameters().arena_floats();
  tokens_.resize(static_cast<size_t>(B * model.config().context_length));
  targets_.resize(tokens_.size());
  const int64_t shards =
      features.threads == StairThreads::kShards ? std::min<int64_t>(B, context.pool.size()) : 1;
  for (int64_t shard = 0; shard < shards; ++shard)
    add_shard(features, B * shard / shards, B * (shard + 1) / shards - B * shard / shards);
  weights_ = Arena(floats, "the staircase");
  first_moment_ = Arena(floats, "the staircase");
  second_moment_ = Arena(floats, "the staircase");
  norm_partials_.resize(static_cast<size_t>(optim::norm_partials(floats)));
  model.initialise(context.pool, static_cast<uint64_t>(settings.train.seed), weights_.data());
}

void PlainTrainer::add_shard(const Features& features, int64_t first, int64_t sequences) {
  Shard shard;
  shard.first = first;
  shard.sequences = sequences;
  const bool shares = features.threads == StairThreads::kOperations;
  if (!shares) shard.solo = std::make_unique<Solo>(context_.kernels);
  shard.worker = std::make_unique<PlainWorker>(features, model_,
                                               shares ? context_ : shard.solo->context, sequences);
  shard.gradients = Arena(model_.parameters().arena_floats(), "the staircase");
  shards_.push_back(std::move(shard));
}

void PlainTrainer::train_shard(Shard& shard) {
  const int64_t T = model_.config().context_length;
  const ops::Context& context = shard.solo ? shard.solo->context : context_;
  ops::fill_zero(context, shard.gradients.floats(), shard.gradients.data());
  const float scale = 1.0f / static_cast<float>(tokens_.size());
  const Batch part{tokens_.data() + shard.first * T, targets_.data() + shard.first * T,
                   shard.sequences, T};
  shard.loss = shard.worker->forward_backward(part, weights_.data(), scale, shard.gradients.data());
}

void PlainTrainer::train_shards() {
  team_.pool.parallel_for(static_cast<int64_t>(shards_.size()), [&](int64_t index, int) {
    Shard& shard = shards_[static_cast<size_t>(index)];
    try {
      train_shard(shard);
    } catch (...) {
      shard.failure = std::current_exception();
    }
  });
  for (const Shard& shard : shards_)
    if (shard.failure) std::rethrow_exception(shard.failure);
}

// The gradients of the first shard = the sum of all, in their order.
void PlainTrainer::sum_gradients() {
  float* sum = shards_.front().gradients.data();
  ops::for_each_chunk(context_, weights_.floats(), [&](int64_t begin, int64_t count) {
    for (size_t i = 1; i < shards_.size(); ++i)
      context_.kernels.fp32.rows.accumulate(count, shards_[i].gradients.data() + begin,
                                            sum + begin);
  });
}

// Mean loss; the gradients of the first shard = those of the batch.
double PlainTrainer::accumulate_gradients() {
  if (shards_.size() == 1) {
    train_shard(shards_.front());  // may use all threads itself
  } else {
    train_shards();
    sum_gradients();
  }
  double loss = 0;
  for (const Shard& shard : shards_)
    loss += shard.loss;
  return loss / static_cast<double>(tokens_.size());
}

StairTrainer::Step PlainTrainer::step() {
  loader_.next(tokens_.data(), targets_.data());
  Step step;
  step.loss = accumulate_gradients();
  const float* gradients = shards_.front().gradients.data();
  step.gradient_norm =
      optim::gradient_norm(context_, weights_.floats(), gradients, norm_partials_.data());
  const OptimizerSettings& options = settings_.optimizer;
  const double rate = optim::learning_rate(settings_.learning_rate_schedule(), steps_++);
  optim::adamw_step(context_, {options.beta1, options.beta2, options.epsilon, options.weight_decay},
                    spans_, steps_, rate,
                    optim::clip_scale(step.gradient_norm, settings_.train.clip_norm), gradients,
                    weights_.data(), first_moment_.data(), second_moment_.data());
  return step;
}

class EngineTrainer : public StairTrainer {
 public:
  EngineTrainer(const Transformer& model, const RunSettings& settings, TokenView tokens,
                const ops::Context& context)
      : trainer_(model, context, settings, tokens) {
    trainer_.initialise();
  }
  Step step() override {
    const StepResult result = trainer_.step();
    return {result.loss, result.gradient_norm};
  }

 private:
  Trainer trainer_;
};

}  // namespace

RunSettings stair_settings(const ModelConfig& model, const Features& features, int64_t batch) {
  RunSettings settings;
  settings.model = model;
  settings.train.gradient_accumulation_steps = std::gcd(batch, features.accumulation);
  settings.train.batch_size = batch / settings.train.gradient_accumulation_steps;
  settings.optimizer.kind = OptimizerSettings::Kind::kAdamw;
  settings.schedule.lr_scheduler = optim::ScheduleKind::kConstant;
  settings.schedule.warmup_steps = 0;
  if (features.bf16) settings.precision.mode = PrecisionSettings::Mode::kBf16;
  return settings;
}

std::unique_ptr<StairTrainer> make_stair_trainer(const Features& features, const Transformer& model,
                                                 const RunSettings& settings, TokenView tokens,
                                                 const ops::Context& context) {
  if (features.engine) return std::make_unique<EngineTrainer>(model, settings, tokens, context);
  return std::make_unique<PlainTrainer>(features, model, settings, tokens, context);
}

}  // namespace cllm::bench
