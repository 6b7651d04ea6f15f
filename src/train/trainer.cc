#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/generator.h"

namespace cllm {
namespace {

nn::PlanShape training_shape(const Transformer& model, const RunSettings& settings) {
  const int64_t T = model.config().context_length;
  return {.B = settings.train.batch_size, .T = T, .S = T, .training = true};
}

bool uses_second_moment(const RunSettings& settings) {
  return settings.optimizer.kind == OptimizerSettings::Kind::kAdamw;
}

// Decay belongs to matrices only. Neighbours that agree share a span, alignment gaps included (they
// are zero and stay zero).
std::vector<optim::ParameterSpan> parameter_spans(const ParameterTable& table) {
  std::vector<optim::ParameterSpan> spans;
  for (const Parameter& parameter : table.all()) {
    if (spans.empty() || spans.back().decays != parameter.is_matrix())
      spans.push_back({parameter.offset, 0, parameter.is_matrix()});
    spans.back().count = parameter.offset + parameter.count - spans.back().begin;
  }
  return spans;
}

// A NaN has a sign that means nothing.
std::string number(double value) {
  return std::isnan(value) ? "nan" : fmt::format("{}", value);
}

}  // namespace

MemoryPlan plan_memory(const Transformer& model, const RunSettings& settings,
                       const ops::Context& context) {
  const int64_t arena = model.parameters().arena_floats() * static_cast<int64_t>(sizeof(float));
  const Planner plan = Session::plan_only(model, context, training_shape(model, settings));
  return {.weights = arena,
          .gradients = arena,
          .moments = uses_second_moment(settings) ? 2 * arena : arena,
          .activations = plan.arena_floats() * static_cast<int64_t>(sizeof(float)),
          .sampling = settings.sample.every > 0 ? Generator::plan_bytes(model, context) : 0};
}

Evaluation evaluate(Session& session, const float* weights, const EvalWindows& windows,
                    int64_t limit, const std::vector<int32_t>& token_bytes,
                    const std::function<void(int64_t, int64_t)>& progress) {
  const int64_t B = session.shape().B, T = session.shape().T;
  int64_t batches = windows.batches();
  if (limit > 0) batches = std::min(batches, (limit + B - 1) / B);
  std::vector<int32_t> tokens(static_cast<size_t>(B * T)), targets(static_cast<size_t>(B * T));
  Evaluation result;
  double sum = 0;
  for (int64_t i = 0; i < batches; ++i) {
    result.tokens += windows.batch(i * windows.batches() / batches, tokens.data(), targets.data());
    sum += session.evaluate({tokens.data(), targets.data(), B, T}, weights);
    for (const int32_t target : targets)
      if (target >= 0) result.bytes += token_bytes[static_cast<size_t>(target)];
    if (progress) progress(i + 1, batches);
  }
  result.loss = sum / static_cast<double>(result.tokens);
  result.perplexity = std::exp(result.loss);
  result.bits_per_byte = sum / (std::log(2.0) * static_cast<double>(result.bytes));
  return result;
}

Trainer::Trainer(const Transformer& model, const ops::Context& context, const RunSettings& settings,
                 TokenView tokens)
    : model_(model),
      context_(context),
      settings_(settings),
      schedule_(settings.learning_rate_schedule()),
      session_(model, context, training_shape(model, settings)),
      spans_(parameter_spans(model.parameters())),
      loader_(tokens, settings.train.batch_size, model.config().context_length,
              static_cast<uint64_t>(settings.train.seed)) {
  const int64_t floats = model.parameters().arena_floats();
  weights_ = Arena(floats, "the weights");
  gradients_ = Arena(floats, "the gradients");
  first_moment_ = Arena(floats, "the optimizer");
  if (uses_second_moment(settings)) second_moment_ = Arena(floats, "the optimizer");
  norm_partials_.resize(static_cast<size_t>(optim::norm_partials(floats)));
  const auto rows = static_cast<size_t>(settings.train.batch_size * model.config().context_length);
  tokens_.resize(rows);
  targets_.resize(rows);
}

void Trainer::initialise() {
  model_.initialise(context_.pool, static_cast<uint64_t>(settings_.train.seed), weights_.data());
}

int64_t Trainer::tokens_per_step() const {
  return settings_.train.gradient_accumulation_steps * static_cast<int64_t>(tokens_.size());
}

// The next batch with its dropout key; counts it.
Trainer::MicroBatch Trainer::next_batch() {
  loader_.next(tokens_.data(), targets_.data());
  return {
      {tokens_.data(), targets_.data(), settings_.train.batch_size, model_.config().context_length},
      {static_cast<uint64_t>(settings_.train.seed), static_cast<uint64_t>(state_.micro_steps++)}};
}

// Mean loss of the step; gradients_ = its gradient.
double Trainer::accumulate_gradients() {
  session_.clear_gradients(gradients_.data());
  const float scale = 1.0f / static_cast<float>(tokens_per_step());
  double sum = 0;
  for (int64_t micro = 0; micro < settings_.train.gradient_accumulation_steps; ++micro) {
    const MicroBatch next = next_batch();
    sum += session_.forward_backward(next.batch, weights_.data(), scale, next.dropout,
                                     gradients_.data());
  }
  return sum / static_cast<double>(tokens_per_step());
}

void Trainer::apply_update(const StepResult& result) {
  const float scale = optim::clip_scale(result.gradient_norm, settings_.train.clip_norm);
  const OptimizerSettings& options = settings_.optimizer;
  if (options.kind == OptimizerSettings::Kind::kAdamw) {
    const optim::AdamW adamw{options.beta1, options.beta2, options.epsilon, options.weight_decay};
    optim::adamw_step(context_, adamw, spans_, state_.step + 1, result.learning_rate, scale,
                      gradients_.data(), weights_.data(), first_moment_.data(),
                      second_moment_.data());
  } else {
    const optim::Sgd sgd{options.momentum, options.weight_decay};
    optim::sgd_step(context_, sgd, spans_, result.learning_rate, scale, gradients_.data(),
                    weights_.data(), first_moment_.data());
  }
}

StepResult Trainer::step() {
  StepResult result;
  result.learning_rate = optim::learning_rate(schedule_, state_.step);
  result.loss = accumulate_gradients();
  result.gradient_norm =
      optim::gradient_norm(context_, gradients_.floats(), gradients_.data(), norm_partials_.data());
  if (!std::isfinite(result.loss) || !std::isfinite(result.gradient_norm)) diverge(result);
  apply_update(result);
  ++state_.step;
  state_.tokens += tokens_per_step();
  state_.loader = loader_.state();
  return result;
}

// Goes back to the state before the step and replays its batches until one shows the bad tensor.
void Trainer::diverge(const StepResult& result) {
  const int64_t batches = settings_.train.gradient_accumulation_steps;
  const int64_t before = state_.micro_steps - batches;
  const auto rewind = [&] {
    state_.micro_steps = before;
    loader_.restore(state_.loader);
  };
  rewind();
  std::string bad;
  for (int64_t micro = 0; bad.empty() && micro < batches; ++micro) {
    const MicroBatch next = next_batch();
    bad = session_.first_nonfinite(next.batch, weights_.data(), next.dropout, gradients_.data());
  }
  rewind();
  if (bad.empty()) bad = "the gradient summed over the step's batches";
  throw Error(
      ErrorKind::kDiverged, fmt::format("step {}", state_.step + 1),
      fmt::format("{} is not finite (loss {}, gradient norm {}); the weights were not updated", bad,
                  number(result.loss), number(result.gradient_norm)),
      "");
}

CheckpointContents Trainer::contents(const Tokenizer& tokenizer) {
  CheckpointContents contents{
      model_, tokenizer, weights_.data(), {{"first_moment", first_moment_.data()}}};
  if (uses_second_moment(settings_))
    contents.moments.push_back({"second_moment", second_moment_.data()});
  return contents;
}

void Trainer::restore(const TrainingState& state) {
  state_ = state;
  loader_.restore(state.loader);
}

}  // namespace cllm
