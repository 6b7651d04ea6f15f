#include "train/run.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/settings_text.h"
#include "base/units.h"
#include "crystal/ngram_moduli.h"
#include "runlog/run_lock.h"
#include "train/corpus.h"
#include "train/interrupted.h"
#include "train/parallel_choice.h"
#include "train/prior.h"
#include "train/run_codes.h"
#include "train/run_loop.h"

namespace cllm {
namespace {

// By name: what a run began with, so that another can be seen to begin alike.
nlohmann::ordered_json weight_hashes(const Transformer& model, const float* weights) {
  nlohmann::ordered_json hashes = nlohmann::ordered_json::object();
  for (const Parameter& parameter : model.parameters().all())
    hashes[parameter.name] = hash64_hex(
        hash64(weights + parameter.offset, static_cast<size_t>(parameter.count) * sizeof(float)));
  return hashes;
}

std::string environment_json(const Transformer& model, const Engine& engine,
                             const MemoryPlan& memory, const float* weights) {
  const nlohmann::ordered_json json = {{"started", utc_time_now()},
                                       {"parameters", model.parameters().count()},
                                       {"threads", engine.threads().count},
                                       {"threads_reason", engine.threads().reason},
                                       {"instruction_set", engine.context().kernels.name},
                                       {"planned_bytes", memory.total()},
                                       {"initial_weights", weight_hashes(model, weights)}};
  return json.dump(2) + "\n";
}

std::string resolved_settings(const RunSettings& settings) {
  RunSettings copy;
  SettingsBinder binder;
  copy.bind(binder);  // what it holds now are the defaults that the file names
  copy = settings;
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
  take_vocabulary(corpus.tokenizer, settings.model);
  choose_ngram_moduli(settings.model);
  require_tokens(settings.data, corpus);
  const int64_t wanted = settings.model.context_length;
  const int64_t usable = usable_context(corpus.train, wanted);
  if (usable < wanted)
    log.warn(
        fmt::format("the training text has only {} tokens: the context is shortened from {} to {}",
                    corpus.train.size(), wanted, usable));
  settings.model.context_length = usable;
}

// Measures what the settings leave open, and stores it in them so that resume does the same.
void resolve_parallel(RunSettings& settings, const Transformer& model, const Engine& engine,
                      const Corpus& corpus, Log& log, const std::function<bool()>& interrupted) {
  if (settings.parallel.mode != ParallelSettings::Mode::kAuto) return;
  const int64_t available = available_memory();
  log.info("parallel.mode = auto: measuring both ways of sharing a step");
  const ParallelChoice choice =
      choose_parallel(model, engine.context(), settings, corpus.train, available, [&] {
        if (interrupted()) throw Interrupted("stopped before the first step");
      });
  const bool batch = choice.mode == ParallelSettings::Mode::kBatch;
  settings.parallel.mode = choice.mode;
  const std::string reason = choice.operation_rate > 0
                                 ? fmt::format("{:.0f} tokens/s by batch, {:.0f} by operation",
                                               choice.batch_rate, choice.operation_rate)
                                 : fmt::format("the other way does not fit into {}",
                                               format_bytes(static_cast<double>(available)));
  log.info(fmt::format("parallel.mode = {}: {}", batch ? "batch" : "operation", reason));
}

// What a precision costs here if this CPU does not multiply in it.
void warn_of_slow_precision(const RunSettings& settings, const Engine& engine, Log& log) {
  const ops::Storage storage = settings.precision.storage();
  if (storage == ops::Storage::kFp32 ||
      ops::compute_for(engine.context(), storage) == ops::Compute::kBf16)
    return;
  if (storage == ops::Storage::kBf16)
    log.warn(
        fmt::format("{} kernels do not multiply bf16: activations are stored in it (half the "
                    "memory), products run in fp32 at its speed or a little below",
                    engine.context().kernels.name));
  else
    log.warn(
        "no CPU that cllm knows multiplies fp16: activations are stored in it (half the memory), "
        "products run in fp32 at its speed or a little below; bf16 needs no loss scale");
}

void announce(const RunSettings& settings, const Corpus& corpus, const Transformer& model,
              const MemoryPlan& memory, const Engine& engine, Log& log) {
  warn_of_slow_precision(settings, engine, log);
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

void take_vocabulary(const Tokenizer& tokenizer, ModelConfig& config) {
  const int V = tokenizer.vocabulary_size();
  int64_t& vocabulary = config.vocabulary_size;
  if (vocabulary != 0 && vocabulary < V)
    throw Error(ErrorKind::kUsage, "model.vocabulary_size",
                fmt::format("{} is below the tokenizer's {}", vocabulary, V), "leave it at 0");
  if (vocabulary == 0) vocabulary = V;
}

void require_memory(const MemoryPlan& memory) {
  require_available("", "the run", memory.total() + kOtherMemory,
                    "choose a smaller train.batch_size, model.context_length or preset; `cllm "
                    "plan` shows what each needs");
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

// Where a session begins: the newest good checkpoint and its state, or the start of the run.
struct Origin {
  std::optional<fs::path> checkpoint;
  TrainingState state;
};

// Reads only. A run that was killed before its first checkpoint begins again.
Origin find_origin(const RunFolder& run, const RunSettings& settings, Log& log) {
  if (!had_checkpoint(run)) return {};
  const fs::path checkpoint = find_good_checkpoint(run, log);
  Origin origin{checkpoint, read_state(checkpoint)};
  if (settings.train.steps < origin.state.step)
    throw Error(ErrorKind::kUsage, "train.steps",
                fmt::format("{} is below step {}, where {} is", settings.train.steps,
                            origin.state.step, run.path().string()),
                "give more, or start a new run");
  return origin;
}

// An early stop is final unless the user asks for more.
void reconsider_early_stop(TrainingState& state, const RunSettings& settings, const RunFolder& run,
                           Log& log) {
  if (!state.stopped_early) return;
  const RunSettings stored = stored_run_settings(run);
  if (settings.train.steps > stored.train.steps ||
      settings.evaluation.patience != stored.evaluation.patience) {
    state.stopped_early = false;
    state.evaluations_since_best = 0;
  } else {
    log.info(
        fmt::format("the run stopped early at step {}, best held-out loss {:.4f} at step {}; "
                    "to train on, give more steps: `cllm resume {} --steps {}`",
                    state.step, state.best_loss, state.best_step, run.path().string(),
                    settings.train.steps + settings.train.steps / 2 + 1));
  }
}

// Sums are ordered by the width of the vectors, so that other kernels give other bits.
void warn_of_other_kernels(const RunFolder& run, const Engine& engine, Log& log) {
  std::error_code missing;
  if (!fs::exists(run.environment(), missing)) return;
  const auto json = nlohmann::json::parse(read_file(run.environment()), nullptr, false);
  if (!json.is_object() || !json.contains("instruction_set")) return;
  const nlohmann::json& before = json["instruction_set"];
  const std::string now(engine.context().kernels.name);
  if (before.is_string() && before != now)
    log.warn(
        fmt::format("the run began with {} kernels and goes on with {}: its bits will differ "
                    "from those of an uninterrupted run",
                    before.get<std::string>(), now));
}

// Weights, optimizer and position as the checkpoint has them, or as they are at the start.
void prepare_trainer(Trainer& trainer, const Origin& origin, const RunFolder& run,
                     const Tokenizer& tokenizer) {
  if (!origin.checkpoint) return trainer.initialise();
  load_checkpoint(*origin.checkpoint, trainer.contents(tokenizer));
  trainer.restore(origin.state);
  restore_links(run, origin.state);
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
  const auto interrupted = [&] { return controls.poll && controls.poll() == RunRequest::kStop; };
  Corpus corpus = make_corpus(settings, data.path(), log, interrupted);
  complete_settings(settings, corpus, log);
  const auto codes = codes_of_run(settings, corpus);

  const Transformer model(settings.model, codes,
                          make_prior(settings, corpus.train, log, interrupted));
  resolve_parallel(settings, model, engine, corpus, log, interrupted);
  const MemoryPlan memory = plan_memory(model, settings, engine.context());
  require_memory(memory);
  announce(settings, corpus, model, memory, engine, log);
  RunLoop loop(settings, folder, corpus, model, engine, log, controls);
  loop.trainer().initialise();
  RunFolder::create(path,
                    {resolved_settings(settings), command + "\n",
                     environment_json(model, engine, memory, loop.trainer().weights())},
                    overwrite, [&] {
                      place_corpus(data, folder.data());
                      corpus.tokenizer.save(folder.tokenizer());
                    });
  return loop.run(MetricsWriter(folder), 0);
}

RunResult resume_run(RunSettings settings, const RunFolder& folder, const Engine& engine, Log& log,
                     const RunControls& controls) {
  settings.model.forget_idle_ngrams();
  settings.validate();
  if (settings.parallel.mode == ParallelSettings::Mode::kAuto)
    throw Error(ErrorKind::kUsage, "parallel.mode", "is decided when a run starts, not by resume",
                fmt::format("write what it began with, batch or operation, into {}",
                            folder.config().string()));
  const RunLock lock(folder.path());
  Origin origin = find_origin(folder, settings, log);
  folder.remove_leftovers();
  std::error_code missing;
  fs::remove(folder.stop_file(), missing);  // it was meant for an earlier session
  const Tokenizer tokenizer =
      Tokenizer::load(origin.checkpoint ? *origin.checkpoint : folder.tokenizer());
  if (origin.checkpoint) require_same_tokenizer(folder, tokenizer, *origin.checkpoint);
  const Corpus corpus = open_corpus(settings, folder.data(), tokenizer);
  const auto codes = codes_of_run(settings, corpus, origin.checkpoint);
  const Transformer model(settings.model, codes,
                          origin.checkpoint
                              ? open_prior(*origin.checkpoint, settings.model, corpus.train)
                              : make_prior(settings, corpus.train, log, {}));
  const MemoryPlan memory = plan_memory(model, settings, engine.context());
  require_memory(memory);
  announce(settings, corpus, model, memory, engine, log);
  RunLoop loop(settings, folder, corpus, model, engine, log, controls);
  const int64_t step = origin.state.step;
  reconsider_early_stop(origin.state, settings, folder, log);
  prepare_trainer(loop.trainer(), origin, folder, tokenizer);
  warn_of_other_kernels(folder, engine, log);
  if (step == settings.train.steps)
    log.info(
        fmt::format("nothing to do: the run is at step {0} of {0}; --steps gives it more", step));
  else
    log.info(fmt::format("resuming from step {} of {}", step, settings.train.steps));
  const std::string config = resolved_settings(settings);
  if (config != read_file(folder.config())) write_file(folder.config(), config);
  MetricsWriter writer = MetricsWriter::open_for_resume(folder, step);
  const Metrics before = read_metrics(folder.metrics());
  return loop.run(std::move(writer), before.steps.empty() ? 0.0 : before.steps.back().seconds);
}

bool may_change_on_resume(std::string_view key) {
  constexpr std::string_view kKeys[] = {
      "train.steps",     "train.threads",        "train.clip_norm",     "train.log_every",
      "train.recompute", "precision.loss_scale", "parallel.tile_order", "parallel.token_order"};
  constexpr std::string_view kSections[] = {"optimizer.",  "schedule.", "evaluation.",
                                            "checkpoint.", "sample.",   "sampling."};
  if (key == "optimizer.kind") return false;  // the moments of one mean nothing to the other
  return std::ranges::find(kKeys, key) != std::end(kKeys) ||
         std::ranges::any_of(kSections,
                             [&](std::string_view section) { return key.starts_with(section); });
}

void read_run_settings(const RunFolder& folder, SettingsBinder& binder) {
  binder.apply_file(folder.config().string());
}

Engine engine_of(const RunSettings& settings) {
  return Engine(static_cast<int>(settings.train.threads), settings.parallel.tile_order,
                settings.parallel.token_order);
}

RunSettings stored_run_settings(const RunFolder& folder) {
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  read_run_settings(folder, binder);
  settings.model.forget_idle_ngrams();
  return settings;
}

}  // namespace cllm
