#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "crystal/vocabulary_order.h"
#include "model/generator.h"
#include "optim/ema.h"
#include "optim/optimizer.h"
#include "train/initial_model.h"

namespace cllm {
namespace {

int64_t bytes_of(int64_t floats) {
  return floats * static_cast<int64_t>(sizeof(float));
}

// A NaN has a sign that means nothing.
std::string number(double value) {
  return std::isnan(value) ? "nan" : fmt::format("{}", value);
}

MemoryPlan larger_plan(const Transformer& model, RunSettings settings,
                       const ops::Context& context) {
  settings.parallel.mode = ParallelSettings::Mode::kBatch;
  const MemoryPlan batch = plan_memory(model, settings, context);
  settings.parallel.mode = ParallelSettings::Mode::kOperation;
  const MemoryPlan operation = plan_memory(model, settings, context);
  return batch.total() > operation.total() ? batch : operation;
}

}  // namespace

MemoryPlan plan_memory(const Transformer& model, const RunSettings& settings,
                       const ops::Context& context) {
  if (settings.parallel.mode == ParallelSettings::Mode::kAuto)
    return larger_plan(model, settings, context);
  const int64_t arena = bytes_of(model.parameters().arena_floats());
  const GradientSourcePlan source = plan_gradient_source(model, context, settings);
  const UpdatePlan update(model, settings, context);
  return {.weights = arena,
          .gradients =
              source.gradients +
              (settings.updates_in_backward() ? bytes_of(GradientWindow(model).floats()) : arena),
          .moments = bytes_of(update.first_floats + update.second_floats),
          .activations = source.activations,
          .average = settings.train.ema_decay > 0 ? arena : 0,
          .update_scratch = bytes_of(update.scratch_floats),
          .sampling = settings.sample.every > 0
                          ? Generator::plan_bytes(model, context) +
                                DecodeWeights::plan_bytes(model, ops::WeightType::kFp32)
                          : 0,
          .prior = model.prior() != nullptr ? model.prior()->bytes() : 0};
}

Trainer::Trainer(const Transformer& model, const ops::Context& context, const RunSettings& settings,
                 TokenView tokens, std::vector<Token> made_ids)
    : model_(model),
      context_(context),
      settings_(settings),
      schedule_(settings.learning_rate_schedule()),
      source_(make_gradient_source(model, context, settings)),
      updater_(model, context, settings),
      loader_(tokens, settings.train.batch_size, model.config().context_length,
              static_cast<uint64_t>(settings.train.seed)),
      made_ids_(std::move(made_ids)) {
  const int64_t floats = model.parameters().arena_floats();
  weights_ = Arena(floats, "the weights");
  if (settings.updates_in_backward()) window_.emplace(model);
  gradients_ = Arena(window_ ? window_->floats() : floats, "the gradients");
  if (window_) streamed_.emplace(context, *window_, updater_, gradients_.data(), weights_.data());
  if (settings.train.ema_decay > 0) average_ = Arena(floats, "the average of the weights");
  state_.loss_scale = optim::first_loss_scale(settings.loss_scaling());
  norm_partials_.resize(static_cast<size_t>(optim::norm_partials(floats)));
  const auto rows = static_cast<size_t>(settings.train.batch_size * model.config().context_length);
  hashed_.resize(static_cast<size_t>(model.config().context_length));
  tokens_.resize(rows);
  targets_.resize(rows);
}

void Trainer::initialise() {
  model_.initialise(context_.pool, static_cast<uint64_t>(settings_.train.seed), weights_.data());
  if (!made_ids_.empty()) place_token_rows(model_, made_ids_, weights_.data());
  if (!settings_.train.init.empty()) load_initial_weights(settings_, model_, weights_.data());
  std::copy_n(weights_.data(), average_.floats(), average_.data());
}

int64_t Trainer::tokens_per_step() const {
  return settings_.train.gradient_accumulation_steps * static_cast<int64_t>(tokens_.size());
}

// The next batch with its dropout key; counts it. The hash goes sequence by sequence, so that it is
// the same however a step is cut into batches.
MicroBatch Trainer::next_batch() {
  loader_.next(tokens_.data(), targets_.data());
  const size_t T = hashed_.size();
  for (size_t row = 0; row < tokens_.size(); row += T) {
    std::copy_n(tokens_.data() + row, T, hashed_.data());
    if (!made_ids_.empty())
      for (int32_t& token : hashed_)
        token = made_ids_[static_cast<size_t>(token)];
    const uint64_t chain[] = {data_hash_, hash64(hashed_.data(), T * sizeof(int32_t))};
    data_hash_ = hash64(chain, sizeof chain);
  }
  const auto micro_step = static_cast<uint64_t>(state_.micro_steps);
  state_.micro_steps += source_->forward_passes();
  return {
      {tokens_.data(), targets_.data(), settings_.train.batch_size, model_.config().context_length},
      {static_cast<uint64_t>(settings_.train.seed), micro_step}};
}

// Mean loss of the step; gradients_ = its gradient times the loss scale.
double Trainer::accumulate_gradients() {
  const auto scale =
      static_cast<float>(state_.loss_scale.scale / static_cast<double>(tokens_per_step()));
  const double sum = source_->accumulate(
      settings_.train.gradient_accumulation_steps, [this] { return next_batch(); }, weights_.data(),
      scale, gradients_.data());
  return sum / static_cast<double>(tokens_per_step());
}

double Trainer::scaled_gradient_norm() {
  return optim::gradient_norm(context_, gradients_.floats(), gradients_.data(),
                              norm_partials_.data());
}

UpdateStep Trainer::update_step(const StepResult& result) const {
  const float clip = optim::clip_scale(result.gradient_norm, settings_.train.clip_norm);
  return {.update = update_number(),
          .learning_rate = result.learning_rate,
          .gradient_scale = clip / static_cast<float>(result.loss_scale)};
}

void Trainer::step_at_once(StepResult& result) {
  result.loss = accumulate_gradients();
  result.gradient_norm = scaled_gradient_norm() / result.loss_scale;
  result.skipped = !std::isfinite(result.gradient_norm);
  const bool may_skip = settings_.precision.mode == PrecisionSettings::Mode::kFp16 &&
                        !optim::overflow_is_divergence(settings_.loss_scaling(), state_.loss_scale);
  if (!std::isfinite(result.loss) || (result.skipped && !may_skip)) diverge(result);
  if (result.skipped) return;
  updater_.apply(update_step(result), {0, weights_.floats()}, gradients_.data(), weights_.data());
}

void Trainer::step_by_ranges(StepResult& result) {
  CHECK(settings_.updates_in_backward());
  const MicroBatch next = next_batch();
  streamed_->begin(update_step(result));
  const GradientStream stream{*window_, gradients_.data(), [this](ParameterRange range) {
                                if (!streamed_->take(range)) diverge_in(streamed_->broken());
                              }};
  const auto tokens = static_cast<double>(tokens_per_step());
  result.loss =
      source_->stream(next, weights_.data(), static_cast<float>(1 / tokens), stream) / tokens;
  if (!std::isfinite(result.loss)) diverge(result);
  if (!streamed_->finish()) diverge_in(streamed_->broken());
  result.gradient_norm = streamed_->norm();
}

StepResult Trainer::step() {
  StepResult result;
  result.learning_rate = optim::learning_rate(schedule_, state_.step);
  result.loss_scale = state_.loss_scale.scale;
  data_hash_ = state_.data_hash;
  window_ ? step_by_ranges(result) : step_at_once(result);
  if (average_.floats() > 0 && !result.skipped)
    optim::ema_update(context_, optim::ema_decay(settings_.train.ema_decay, update_number()),
                      weights_.floats(), weights_.data(), average_.data());
  state_.loss_scale =
      optim::next_loss_scale(settings_.loss_scaling(), state_.loss_scale, !result.skipped);
  ++state_.step;
  state_.tokens += tokens_per_step();
  state_.loader = loader_.state();
  state_.data_hash = data_hash_;
  return result;
}

// Goes back to the state before the step and replays its batches until one shows the bad tensor.
// Where updates are part of the backward pass, it is the loss that is bad: the gradients, for which
// there is no memory, need not be looked at.
void Trainer::diverge(const StepResult& result) {
  const int64_t batches = settings_.train.gradient_accumulation_steps;
  const int64_t before = state_.micro_steps - batches * source_->forward_passes();
  const auto rewind = [&] {
    state_.micro_steps = before;
    loader_.restore(state_.loader);
  };
  rewind();
  float* gradients = window_ ? nullptr : gradients_.data();
  std::string bad;
  for (int64_t micro = 0; bad.empty() && micro < batches; ++micro)
    bad = source_->first_nonfinite(next_batch(), weights_.data(), gradients);
  rewind();
  if (bad.empty()) bad = "the gradient summed over the step's batches";
  throw Error(
      ErrorKind::kDiverged, fmt::format("step {}", state_.step + 1),
      fmt::format("{} is not finite (loss {}, gradient norm {}); the weights were not updated", bad,
                  number(result.loss), number(result.gradient_norm)),
      "");
}

void Trainer::diverge_in(ParameterRange range) {
  std::string bad = "the sum of squares of finite gradients";
  const float* gradients = window_->at(range, gradients_.data());
  for (const Parameter& parameter : model_.parameters().all()) {
    if (parameter.offset < range.begin || parameter.offset >= range.end) continue;
    const float* values = gradients + (parameter.offset - range.begin);
    if (!std::all_of(values, values + parameter.count,
                     [](float x) { return std::isfinite(x * x); }))
      bad = "gradient of " + parameter.name;
  }
  throw Error(ErrorKind::kDiverged, fmt::format("step {}", state_.step + 1),
              fmt::format("{} is not finite; other weights were updated already", bad), "");
}

CheckpointContents Trainer::contents(const Tokenizer& tokenizer) {
  CheckpointContents contents{model_, tokenizer, evaluation_weights(), updater_.moments()};
  if (average_.floats() > 0) contents.moments.push_back({"weights", weights_.data()});
  return contents;
}

void Trainer::restore(const TrainingState& state) {
  state_ = state;
  loader_.restore(state.loader);
  const optim::LossScaling scaling = settings_.loss_scaling();
  // A fixed scale may be another one now; a dynamic one goes on from where it was.
  if (!scaling.dynamic) state_.loss_scale.scale = optim::first_loss_scale(scaling).scale;
}

}  // namespace cllm
