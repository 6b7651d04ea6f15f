#include "train/run_loop.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "crystal/vocabulary_order.h"
#include "data/prepare.h"
#include "runlog/report.h"
#include "train/interrupted.h"
#include "train/learning_rate_events.h"

namespace cllm {
namespace {

// Empty if all tokens have the ids that they were made with.
std::vector<Token> ids_as_made(const RunSettings& settings, const Tokenizer& tokenizer) {
  if (settings.tokenizer.order == VocabularyOrder::kIdentity) return {};
  return made_ids(tokenizer);
}

}  // namespace

RunLoop::RunLoop(const RunSettings& settings, const RunFolder& folder, const Corpus& corpus,
                 const Transformer& model, const Engine& engine, Log& log,
                 const RunControls& controls)
    : settings_(settings),
      folder_(folder),
      tokenizer_(corpus.tokenizer),
      log_(log),
      controls_(controls),
      trainer_(model, engine.context(), settings, corpus.train,
               ids_as_made(settings, corpus.tokenizer)),
      token_bytes_(token_bytes(corpus.tokenizer)) {
  if (corpus.validation.size() >= 2)
    windows_.emplace(corpus.validation, trainer_.source().evaluation_batch(),
                     model.config().context_length);
  else
    log.warn(fmt::format("the held-out text has {} tokens: the model is not evaluated",
                         corpus.validation.size()));
  if (settings.sample.every == 0) return;
  generator_.emplace(model, engine.context(), trainer_.evaluation_weights());
  // A prompt that cannot be encoded must fail now, not at the first sample.
  std::vector<Token> prompt;
  tokenizer_.encode(settings.sample.prompt, prompt, TextPlace{"sample.prompt"});
}

RunResult RunLoop::run(MetricsWriter writer, double seconds_before) {
  metrics_.emplace(std::move(writer));
  seconds_ = seconds_before;
  first_step_ = state().step;
  display_.emplace(log_, settings_.train.steps, first_step_);
  RunResult result;
  try {
    result.end = loop();
  } catch (const Error& error) {
    display_.reset();
    record_failure(error);
    throw;
  }
  display_.reset();
  return finish(result);
}

RunEnd RunLoop::loop() {
  const bool left_undone = state().evaluation_owed || state().sample_owed;
  if (left_undone && !finish_step()) return RunEnd::kInterrupted;
  while (!has_ended()) {
    train_step();
    state().evaluation_owed = windows_ && is_due(settings_.evaluation.every);
    state().sample_owed = generator_ && is_due(settings_.sample.every);
    if (!finish_step()) return RunEnd::kInterrupted;
  }
  return state().stopped_early ? RunEnd::kStoppedEarly : RunEnd::kFinished;
}

void RunLoop::train_step() {
  const double start = steady_seconds();
  const StepResult result = step_or_advise();
  const double elapsed = steady_seconds() - start;
  seconds_ += elapsed;
  const StepRecord record{
      .step = state().step,
      .loss = result.loss,
      .learning_rate = result.learning_rate,
      .gradient_norm = result.gradient_norm,
      .tokens_per_second = static_cast<double>(trainer_.tokens_per_step()) / elapsed,
      .tokens = state().tokens,
      .seconds = seconds_};
  metrics_->write(record);
  if (const auto text = learning_rate_event(settings_.learning_rate_schedule(), state().step - 1))
    event(*text);
  if (result.skipped)
    event(
        fmt::format("the gradients overflowed at loss scale {}: step skipped ({} so far), the "
                    "scale is {} now",
                    result.loss_scale, state().loss_scale.skipped_steps, state().loss_scale.scale));
  display_->step(record, state().step % settings_.train.log_every == 0 ||
                             state().step == settings_.train.steps);
}

// Only here it is known whether there is something to go back to.
StepResult RunLoop::step_or_advise() {
  try {
    return trainer_.step();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kDiverged) throw;
    throw Error(
        error.kind(), "", error.what(),
        had_checkpoint(folder_)
            ? fmt::format("go on from the last checkpoint with a lower rate: `cllm resume {} --set "
                          "optimizer.learning_rate={:.3g}`",
                          folder_.path().string(), settings_.optimizer.learning_rate / 2)
            : "there is no checkpoint yet: start again with a lower optimizer.learning_rate or a "
              "longer schedule.warmup_steps");
  }
}

// What is due after a step. False if a stop was asked for; all is saved then, with what is left to
// do. A step at which the session began gets here only to be made up: its checkpoint is replaced.
bool RunLoop::finish_step() {
  const bool done =
      (!state().evaluation_owed || evaluate_now()) && (!state().sample_owed || sample_now());
  const bool stop = stop_is_wanted();
  const bool goes_on = done && (!stop || has_ended());
  if (!goes_on || save_wanted_ || is_due(settings_.checkpoint.every) ||
      state().best_step == state().step || state().step == first_step_)
    save_now();
  return goes_on;
}

// False if a stop was asked for before the end; nothing has changed then.
bool RunLoop::evaluate_now() {
  if (windows_) {
    try {
      last_ = evaluate(trainer_.source(), trainer_.evaluation_weights(), *windows_,
                       settings_.evaluation.windows, token_bytes_, [&](int64_t done, int64_t all) {
                         if (done < all && stop_is_wanted()) throw Interrupted("evaluation");
                       });
    } catch (const Interrupted&) {
      return false;
    }
    metrics_->write(EvalRecord{state().step, last_.loss, last_.perplexity, last_.bits_per_byte});
    judge();
  }
  state().evaluation_owed = false;
  return true;
}

// Best so far, or time to stop?
void RunLoop::judge() {
  const bool best = last_.loss < state().best_loss;
  if (best) {
    state().best_loss = last_.loss;
    state().best_step = state().step;
    state().evaluations_since_best = 0;
  } else {
    ++state().evaluations_since_best;
  }
  log_.info(fmt::format("step {}: held-out loss {:.4f}, perplexity {:.2f}, {:.3f} bits per byte{}",
                        state().step, last_.loss, last_.perplexity, last_.bits_per_byte,
                        best ? " (best so far)" : ""));
  if (settings_.evaluation.patience == 0 ||
      state().evaluations_since_best < settings_.evaluation.patience || has_ended())
    return;
  state().stopped_early = true;
  state().sample_owed = generator_.has_value();
  event(fmt::format("early stop: {} evaluations without improvement on {:.4f} of step {}",
                    state().evaluations_since_best, state().best_loss, state().best_step));
}

// False if a stop was asked for before the end; nothing is written then.
bool RunLoop::sample_now() {
  if (generator_) {
    GenerationOptions options;
    options.max_tokens = settings_.sample.tokens;
    options.sampling = settings_.sampling;
    const Generation sample =
        generator_->generate(tokenizer_, settings_.sample.prompt, options,
                             [this](std::string_view) { return !stop_is_wanted(); });
    if (sample.reason == StopReason::kInterrupted) return false;
    const std::string text = settings_.sample.prompt + sample.text;
    write_file(folder_.sample(state().step), text + "\n");
    display_->sample(state().step, text);
  }
  state().sample_owed = false;
  return true;
}

void RunLoop::save_now() {
  save_wanted_ = false;
  if (saved_step_ == state().step) return;
  metrics_->sync();
  save_checkpoint(folder_, trainer_.contents(tokenizer_), state(), settings_.checkpoint.keep);
  saved_step_ = state().step;
  log_.verbose(
      fmt::format("step {}: saved {}", state().step, folder_.checkpoint(state().step).string()));
}

void RunLoop::event(const std::string& text) {
  metrics_->write(EventRecord{state().step, text});
  log_.info(fmt::format("step {}: {}", state().step, text));
}

bool RunLoop::stop_is_wanted() {
  const RunRequest request = controls_.poll ? controls_.poll() : RunRequest::kNone;
  save_wanted_ = save_wanted_ || request == RunRequest::kSave;
  stop_wanted_ = stop_wanted_ || request == RunRequest::kStop || stop_file_appeared();
  return stop_wanted_;
}

bool RunLoop::stop_file_appeared() const {
  std::error_code error;
  if (!fs::exists(folder_.stop_file(), error)) return false;
  fs::remove(folder_.stop_file(), error);
  return true;
}

// What stopped the run belongs to its record, if the disk still takes it.
void RunLoop::record_failure(const Error& error) {
  try {
    metrics_->write(EventRecord{state().step, error.what()});
    write_metrics_csv(folder_);
    write_report(folder_);
  } catch (const Error&) {
    log_.verbose("the record of the run could not be completed");
  }
}

RunResult RunLoop::finish(RunResult result) {
  metrics_.reset();
  write_metrics_csv(folder_);
  write_report(folder_);
  result.step = state().step;
  result.last = last_;
  result.best_loss = state().best_loss;
  result.best_step = state().best_step;
  result.seconds = seconds_;
  result.tokens_per_second = seconds_ > 0 ? static_cast<double>(state().tokens) / seconds_ : 0;
  result.folder = folder_.path();
  result.checkpoint = folder_.checkpoint(state().step);
  const std::string manifest = read_file(result.checkpoint / "manifest.json");
  result.checkpoint_hash = hash64_hex(hash64(manifest.data(), manifest.size()));
  return result;
}

}  // namespace cllm
