#include "train/run.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/settings_text.h"
#include "base/units.h"
#include "data/prepare.h"
#include "model/generator.h"
#include "runlog/metrics_writer.h"
#include "runlog/report.h"
#include "runlog/run_lock.h"
#include "train/corpus.h"
#include "train/run_display.h"

namespace cllm {
namespace {

std::string environment_json(const Transformer& model, const Engine& engine,
                             const MemoryPlan& memory) {
  const nlohmann::ordered_json json = {{"started", utc_time_now()},
                                       {"parameters", model.parameters().count()},
                                       {"threads", engine.threads().count},
                                       {"threads_reason", engine.threads().reason},
                                       {"instruction_set", engine.context().kernels.name},
                                       {"planned_bytes", memory.total()}};
  return json.dump(2) + "\n";
}

std::string resolved_settings(RunSettings settings) {
  SettingsBinder binder;
  settings.bind(binder);
  return settings_toml(binder);
}

void require_tokens(const DataSettings& data, const Corpus& corpus) {
  if (corpus.train.size() >= 2) return;
  throw Error(
      ErrorKind::kData, data.train.size() == 1 ? data.train.front() : "the training text",
      fmt::format("{} tokens are left to learn from, {} are held out; at least 2 are needed",
                  corpus.train.size(), corpus.validation.size()),
      "give more text, or lower data.validation_fraction");
}

// Fits the settings to the text: vocabulary, and a context that the text can fill.
void complete_settings(RunSettings& settings, const Corpus& corpus, Log& log) {
  const int V = corpus.tokenizer.vocabulary_size();
  int64_t& vocabulary = settings.model.vocabulary_size;
  if (vocabulary != 0 && vocabulary < V)
    throw Error(ErrorKind::kUsage, "model.vocabulary_size",
                fmt::format("{} is below the tokenizer's {}", vocabulary, V), "leave it at 0");
  if (vocabulary == 0) vocabulary = V;
  require_tokens(settings.data, corpus);
  const int64_t wanted = settings.model.context_length;
  const int64_t usable = usable_context(corpus.train, wanted);
  if (usable < wanted)
    log.warn(
        fmt::format("the training text has only {} tokens: the context is shortened from {} to {}",
                    corpus.train.size(), wanted, usable));
  settings.model.context_length = usable;
}

// One session of a run, new or resumed.
class Loop {
 public:
  Loop(const RunSettings& settings, const RunFolder& folder, const Corpus& corpus,
       const Transformer& model, const Engine& engine, Log& log, const RunControls& controls)
      : settings_(settings),
        folder_(folder),
        tokenizer_(corpus.tokenizer),
        model_(model),
        engine_(engine),
        log_(log),
        controls_(controls),
        trainer_(model, engine.context(), settings, corpus.train),
        token_bytes_(token_bytes(corpus.tokenizer)) {
    if (corpus.validation.size() >= 2)
      windows_.emplace(corpus.validation, settings.train.batch_size, model.config().context_length);
    else
      log.warn(fmt::format("the held-out text has {} tokens: the model is not evaluated",
                           corpus.validation.size()));
    // A prompt that cannot be encoded must fail now, not at the first sample.
    std::vector<Token> prompt;
    if (settings.sample.every > 0)
      tokenizer_.encode(settings.sample.prompt, prompt, TextPlace{"sample.prompt"});
  }

  Trainer& trainer() { return trainer_; }

  RunResult run(MetricsWriter writer, double seconds_before) {
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

 private:
  TrainingState& state() { return trainer_.state(); }

  RunEnd loop() {
    while (state().step < settings_.train.steps && !state().stopped_early) {
      train_step();
      if (is_due(settings_.evaluation.every)) evaluate_now();
      if (settings_.sample.every > 0 && is_due(settings_.sample.every)) sample_now();
      if (is_due(settings_.checkpoint.every)) save_now();
      const RunRequest request = controls_.poll ? controls_.poll() : RunRequest::kNone;
      if (request == RunRequest::kSave) save_now();
      if (request == RunRequest::kStop || stop_file_appeared()) {
        if (state().step == settings_.train.steps) break;
        save_now();
        return RunEnd::kInterrupted;
      }
    }
    return state().stopped_early ? RunEnd::kStoppedEarly : RunEnd::kFinished;
  }

  // Whether something is due at this step that happens every `every` steps and at the end.
  bool is_due(int64_t every) {
    return state().step % every == 0 || state().step == settings_.train.steps ||
           state().stopped_early;
  }

  void train_step() {
    const double start = steady_seconds();
    const StepResult result = trainer_.step();
    const double elapsed = steady_seconds() - start;
    seconds_ += elapsed;
    session_seconds_ += elapsed;
    const StepRecord record{
        .step = state().step,
        .loss = result.loss,
        .learning_rate = result.learning_rate,
        .gradient_norm = result.gradient_norm,
        .tokens_per_second = static_cast<double>(trainer_.tokens_per_step()) / elapsed,
        .tokens = state().tokens,
        .seconds = seconds_};
    metrics_->write(record);
    announce_learning_rate(result.learning_rate);
    display_->step(record, state().step % settings_.train.log_every == 0 ||
                               state().step == settings_.train.steps);
  }

  // Changes that are not part of a ramp: the end of the warm-up, a reduction, the start of a decay,
  // the minimum.
  void announce_learning_rate(double rate) {
    const optim::Schedule schedule = settings_.learning_rate_schedule();
    const int64_t step = state().step - 1;
    if (step < 1) return;
    const double before = optim::learning_rate(schedule, step - 1);
    const double next = optim::learning_rate(schedule, step + 1);
    const bool turns =
        (rate - before) * (next - rate) <= 0 && rate != next;  // a corner that a change follows
    const bool arrives = rate != before && rate == next;
    if (turns || arrives)
      event(fmt::format("learning rate {:.3g} -> {:.3g}", before, arrives ? rate : next));
  }

  void event(const std::string& text) {
    metrics_->write(EventRecord{state().step, text});
    log_.info(fmt::format("step {}: {}", state().step, text));
  }

  void evaluate_now() {
    if (!windows_) return;
    last_ = evaluate(trainer_.session(), trainer_.weights(), *windows_,
                     settings_.evaluation.windows, token_bytes_);
    metrics_->write(EvalRecord{state().step, last_.loss, last_.perplexity, last_.bits_per_byte});
    const bool best = last_.loss < state().best_loss;
    if (best) {
      state().best_loss = last_.loss;
      state().best_step = state().step;
      state().evaluations_since_best = 0;
    } else {
      ++state().evaluations_since_best;
    }
    log_.info(fmt::format(
        "step {}: held-out loss {:.4f}, perplexity {:.2f}, {:.3f} bits per byte{}", state().step,
        last_.loss, last_.perplexity, last_.bits_per_byte, best ? " (best so far)" : ""));
    if (settings_.evaluation.patience > 0 &&
        state().evaluations_since_best >= settings_.evaluation.patience &&
        state().step < settings_.train.steps) {
      state().stopped_early = true;
      event(fmt::format("early stop: {} evaluations without improvement on {:.4f} of step {}",
                        state().evaluations_since_best, state().best_loss, state().best_step));
    }
    if (best) save_now();
  }

  void sample_now() {
    if (!generator_) generator_.emplace(model_, engine_.context(), trainer_.weights());
    GenerationOptions options;
    options.max_tokens = settings_.sample.tokens;
    options.sampling = settings_.sampling;
    const Generation sample = generator_->generate(tokenizer_, settings_.sample.prompt, options,
                                                   [](std::string_view) { return true; });
    const std::string text = settings_.sample.prompt + sample.text;
    write_file(folder_.sample(state().step), text + "\n");
    display_->sample(state().step, text);
  }

  void save_now() {
    if (saved_step_ == state().step) return;
    metrics_->sync();
    save_checkpoint(folder_, trainer_.contents(tokenizer_), state(), settings_.checkpoint.keep);
    saved_step_ = state().step;
    log_.verbose(
        fmt::format("step {}: saved {}", state().step, folder_.checkpoint(state().step).string()));
  }

  bool stop_file_appeared() const {
    std::error_code error;
    if (!fs::exists(folder_.stop_file(), error)) return false;
    fs::remove(folder_.stop_file(), error);
    return true;
  }

  // What stopped the run belongs to its record, if the disk still takes it.
  void record_failure(const Error& error) {
    try {
      metrics_->write(EventRecord{state().step, error.what()});
      write_metrics_csv(folder_);
      write_report(folder_);
    } catch (const Error&) {
      log_.verbose("the record of the run could not be completed");
    }
  }

  RunResult finish(RunResult result) {
    metrics_.reset();
    write_metrics_csv(folder_);
    write_report(folder_);
    result.step = state().step;
    result.last = last_;
    result.best_loss = state().best_loss;
    result.best_step = state().best_step;
    result.seconds = seconds_;
    const auto tokens =
        static_cast<double>((state().step - first_step_) * trainer_.tokens_per_step());
    result.tokens_per_second = session_seconds_ > 0 ? tokens / session_seconds_ : 0;
    result.folder = folder_.path();
    result.checkpoint = folder_.checkpoint(state().step);
    const std::string manifest = read_file(result.checkpoint / "manifest.json");
    result.checkpoint_hash = hash64_hex(hash64(manifest.data(), manifest.size()));
    return result;
  }

  const RunSettings& settings_;
  const RunFolder folder_;
  const Tokenizer& tokenizer_;
  const Transformer& model_;
  const Engine& engine_;
  Log& log_;
  const RunControls& controls_;
  Trainer trainer_;
  std::vector<int32_t> token_bytes_;
  std::optional<EvalWindows> windows_;
  std::optional<Generator> generator_;
  std::optional<MetricsWriter> metrics_;
  std::optional<RunDisplay> display_;
  Evaluation last_;
  double seconds_ = 0, session_seconds_ = 0;
  int64_t first_step_ = 0;
  int64_t saved_step_ = -1;
};

void announce(const RunSettings& settings, const Corpus& corpus, const Transformer& model,
              const MemoryPlan& memory, const Engine& engine, Log& log) {
  log.info(engine.description());
  log.info(fmt::format("{} tokens to learn from, {} held out; {} vocabulary of {}",
                       format_count(static_cast<double>(corpus.train.size())),
                       format_count(static_cast<double>(corpus.validation.size())),
                       tokenizer_kind_name(corpus.tokenizer.kind()),
                       corpus.tokenizer.vocabulary_size()));
  log.info(fmt::format("{} parameters, {} planned ({} of it activations)",
                       format_count(static_cast<double>(model.parameters().count())),
                       format_bytes(static_cast<double>(memory.total())),
                       format_bytes(static_cast<double>(memory.activations))));
  const auto tokens = settings.train.batch_size * settings.train.gradient_accumulation_steps *
                      model.config().context_length;
  log.info(fmt::format("{} steps of {} tokens", settings.train.steps, tokens));
}

}  // namespace

void require_memory(const MemoryPlan& memory) {
  const int64_t available = available_memory();
  if (memory.total() + kOtherMemory > available)
    throw Error(ErrorKind::kMemory, "",
                fmt::format("the run needs {} and {} are available",
                            format_bytes(static_cast<double>(memory.total() + kOtherMemory)),
                            format_bytes(static_cast<double>(available))),
                "choose a smaller train.batch_size, model.context_length or preset; `cllm plan` "
                "shows what each needs");
}

namespace {

// The run's own copy is what people use the run with; it must not drift from the checkpoints.
void require_same_tokenizer(const RunFolder& run, const Tokenizer& tokenizer,
                            const fs::path& checkpoint) {
  if (Tokenizer::load(run.tokenizer()).hash() == tokenizer.hash()) return;
  throw Error(ErrorKind::kData, run.tokenizer().string(),
              fmt::format("is not the tokenizer of {}", checkpoint.string()),
              "copy that checkpoint's tokenizer.json over it");
}

// Weights, optimizer and position as the checkpoint has them, or as they are at the start.
void prepare_trainer(Loop& loop, const std::optional<fs::path>& checkpoint,
                     const RunSettings& settings, const RunFolder& run,
                     const Tokenizer& tokenizer) {
  if (!checkpoint) return loop.trainer().initialise();
  TrainingState state = load_checkpoint(*checkpoint, loop.trainer().contents(tokenizer));
  state.stopped_early = state.stopped_early && state.step < settings.train.steps;
  loop.trainer().restore(state);
  restore_links(run, state);
}

}  // namespace

RunResult start_run(RunSettings settings, const fs::path& path, bool overwrite,
                    const std::string& command, const Engine& engine, Log& log,
                    const RunControls& controls) {
  settings.validate();
  RunFolder::require_free(path, overwrite);
  make_token_paths_absolute(settings.data);
  const RunFolder folder = RunFolder::at(path);
  const RunLock lock(folder.path());
  AtomicFolder data(folder.data());
  Corpus corpus = make_corpus(settings, data.path(), log, [&] {
    return controls.poll && controls.poll() == RunRequest::kStop;
  });
  complete_settings(settings, corpus, log);

  const Transformer model(settings.model);
  const MemoryPlan memory = plan_memory(model, settings, engine.context());
  require_memory(memory);
  announce(settings, corpus, model, memory, engine, log);
  Loop loop(settings, folder, corpus, model, engine, log, controls);
  loop.trainer().initialise();
  RunFolder::create(
      path, {resolved_settings(settings), command + "\n", environment_json(model, engine, memory)},
      overwrite, [&] {
        place_corpus(data, folder.data());
        corpus.tokenizer.save(folder.tokenizer());
      });
  return loop.run(MetricsWriter(folder), 0);
}

RunResult resume_run(RunSettings settings, const RunFolder& folder, const Engine& engine, Log& log,
                     const RunControls& controls) {
  settings.validate();
  const RunLock lock(folder.path());
  folder.remove_leftovers();
  std::error_code missing;
  fs::remove(folder.stop_file(), missing);  // it was meant for an earlier session
  // A run that was killed before its first checkpoint begins again.
  std::optional<fs::path> checkpoint;
  if (had_checkpoint(folder)) checkpoint = find_good_checkpoint(folder, log);
  Tokenizer tokenizer = Tokenizer::load(checkpoint ? *checkpoint : folder.tokenizer());
  if (checkpoint) require_same_tokenizer(folder, tokenizer, *checkpoint);
  const Corpus corpus = open_corpus(settings, folder.data(), tokenizer);
  const Transformer model(settings.model);
  const MemoryPlan memory = plan_memory(model, settings, engine.context());
  require_memory(memory);
  announce(settings, corpus, model, memory, engine, log);
  Loop loop(settings, folder, corpus, model, engine, log, controls);
  prepare_trainer(loop, checkpoint, settings, folder, tokenizer);
  const int64_t step = loop.trainer().state().step;
  log.info(fmt::format("resuming from step {} of {}", step, settings.train.steps));
  const std::string config = resolved_settings(settings);
  if (config != read_file(folder.config())) write_file(folder.config(), config);
  MetricsWriter writer = MetricsWriter::open_for_resume(folder, step);
  const Metrics before = read_metrics(folder.metrics());
  return loop.run(std::move(writer), before.steps.empty() ? 0.0 : before.steps.back().seconds);
}

void read_run_settings(const RunFolder& folder, SettingsBinder& binder) {
  binder.apply_file(folder.config().string());
}

}  // namespace cllm
