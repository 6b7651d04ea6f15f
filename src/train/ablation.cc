#include "train/ablation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/settings_text.h"
#include "base/suggest.h"
#include "data/loader.h"
#include "model/transformer.h"
#include "tensor/arena.h"
#include "train/corpus.h"
#include "train/interrupted.h"
#include "train/run.h"

namespace cllm {
namespace {

constexpr int64_t kProbeSteps = 12;     // of a training that only measures its speed
constexpr double kMostSteps = 1e9;      // that a budget gives
constexpr int64_t kHashedBatches = 32;  // of the order of the data

RunSettings settings_of(const AblationPlan& plan, const AblationArm& arm, uint64_t seed,
                        int64_t steps) {
  RunSettings settings = plan.settings;
  SettingsBinder binder;
  settings.bind(binder);
  for (const std::string& assignment : arm.assignments)
    binder.apply_assignment(assignment);
  settings.train.seed = static_cast<int64_t>(seed);
  settings.train.steps = steps;
  settings.checkpoint.keep = 1;
  settings.sample.every = 0;
  settings.validate();
  RunSettings copy = settings;  // not bound to the binder that ends here
  return copy;
}

fs::path folder_of(const fs::path& folder, const AblationArm& arm, uint64_t seed) {
  return folder / "runs" / fmt::format("{}-seed-{}", arm.name, seed);
}

// The settings as the run completed them.
RunSettings stored_settings(const RunFolder& run) {
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  read_run_settings(run, binder);
  RunSettings copy = settings;
  return copy;
}

std::string hash_of(const void* data, int64_t bytes) {
  return hash64_hex(hash64(data, static_cast<size_t>(bytes)));
}

std::string order_hash(const RunSettings& settings, const RunFolder& run) {
  const Corpus corpus = open_corpus(settings, run.data(), Tokenizer::load(run.tokenizer()));
  const int64_t B = settings.train.batch_size, T = settings.model.context_length;
  BatchLoader loader(corpus.train, B, T, static_cast<uint64_t>(settings.train.seed));
  const auto batch = static_cast<size_t>(B * T);
  std::vector<int32_t> tokens(kHashedBatches * batch), targets(batch);
  for (size_t i = 0; i < kHashedBatches; ++i)
    loader.next(tokens.data() + i * batch, targets.data());
  // The same token is the same whatever id it has.
  if (settings.tokenizer.order != VocabularyOrder::kIdentity) {
    const std::vector<Token> made = made_ids(corpus.tokenizer);
    for (Token& token : tokens)
      token = made[static_cast<size_t>(token)];
  }
  return hash_of(tokens.data(), std::ssize(tokens) * static_cast<int64_t>(sizeof(int32_t)));
}

void add_proof(const RunFolder& run, const Engine& engine, ArmRun& result) {
  const RunSettings settings = stored_settings(run);
  const Transformer model(settings.model);
  result.parameters = model.parameters().count();
  result.flops_per_token = model.training_flops_per_token();
  result.order_hash = order_hash(settings, run);
  Arena weights(model.parameters().arena_floats(), "the weights at the start");
  model.initialise(engine.context().pool, result.seed, weights.data());
  for (const Parameter& parameter : model.parameters().all())
    result.initial_hashes.emplace_back(
        parameter.name, hash_of(weights.data() + parameter.offset,
                                parameter.count * static_cast<int64_t>(sizeof(float))));
}

// Everything that one training needs besides its settings.
struct Job {
  const std::string& command;
  const Engine& engine;
  Log& log;
  const RunControls& controls;
};

// Another rate for this training alone, which the run's own error advises, would be another arm.
[[noreturn]] void refuse_divergence(const fs::path& path) {
  throw Error(ErrorKind::kDiverged, path.string(), "the loss is no longer finite",
              "begin again with settings under which every arm trains, such as a lower "
              "optimizer.learning_rate");
}

RunResult start_or_resume(const RunSettings& settings, const fs::path& path, const Job& job) {
  if (!RunFolder::is_run(path))
    return start_run(settings, path, false, job.command, job.engine, job.log, job.controls);
  const RunFolder run = RunFolder::open(path);
  return resume_run(stored_settings(run), run, job.engine, job.log, job.controls);
}

RunResult train(const RunSettings& settings, const fs::path& path, const Job& job) try {
  const RunResult result = start_or_resume(settings, path, job);
  if (result.end == RunEnd::kInterrupted)
    throw Interrupted("stopped; the same command goes on from here");
  return result;
} catch (const Error& error) {
  if (error.kind() != ErrorKind::kDiverged) throw;
  refuse_divergence(path);
}

bool is_done(const fs::path& path, int64_t steps) {
  if (!RunFolder::is_run(path)) return false;
  const Metrics metrics = read_metrics(RunFolder::open(path).metrics());
  return !metrics.evaluations.empty() && metrics.evaluations.back().step == steps &&
         fs::exists(RunFolder::open(path).checkpoint(steps));
}

// Steps so that all trainings take about `budget` seconds, evaluations not counted.
int64_t affordable_steps(const Ablation& ablation, const AblationPlan& plan, const fs::path& folder,
                         const Job& job) {
  double seconds = 0;  // of one step of every arm
  for (const AblationArm& arm : ablation.arms) {
    job.log.info(fmt::format("measuring the speed of {}", arm.name));
    RunSettings settings = settings_of(plan, arm, 1, kProbeSteps);
    settings.evaluation.windows = 1;
    const fs::path path = folder / "probe";
    fs::remove_all(path);
    seconds += train(settings, path, job).seconds / static_cast<double>(kProbeSteps);
    fs::remove_all(path);
  }
  const double steps = plan.budget / (seconds * static_cast<double>(plan.seeds));
  return static_cast<int64_t>(std::clamp(steps, 1.0, kMostSteps));
}

// What an ablation is, as text: another start in its folder must be the same one.
std::string identity(const Ablation& ablation, const AblationPlan& plan) {
  RunSettings settings = plan.settings;
  SettingsBinder binder;
  settings.bind(binder);
  std::string text =
      fmt::format("# {}, budget {} s\n{}", ablation.name, plan.budget, settings_toml(binder));
  for (const AblationArm& arm : ablation.arms)
    text += fmt::format("# {}: {}\n", arm.name, fmt::join(arm.assignments, " "));
  return text;
}

// What would make the arms differ in more than their settings.
void refuse_inequality(const RunSettings& settings) {
  if (settings.parallel.mode == ParallelSettings::Mode::kAuto)
    throw Error(ErrorKind::kUsage, "parallel.mode",
                "auto may choose differently for every training", "choose batch or operation");
  if (settings.evaluation.patience > 0)
    throw Error(ErrorKind::kUsage, "evaluation.patience", "would end trainings at different steps",
                "leave it at 0");
  if (!settings.train.init.empty())
    throw Error(ErrorKind::kUsage, "train.init", "decides the shape that the arms are to change",
                "leave it out");
}

void claim_folder(const fs::path& folder, const std::string& identity) {
  const fs::path path = folder / "ablation.toml";
  if (fs::exists(path)) {
    if (read_file(path) == identity) return;
    throw Error(ErrorKind::kUsage, folder.string(), "holds an ablation of other settings",
                "give another --out, or the settings that it began with");
  }
  if (fs::exists(folder) && !fs::is_empty(folder))
    throw Error(ErrorKind::kUsage, folder.string(), "is not empty and holds no ablation",
                "give another --out");
  fs::create_directories(folder / "runs");
  write_file(path, identity);
}

int64_t steps_of(const Ablation& ablation, const AblationPlan& plan, const fs::path& folder,
                 const Job& job) {
  if (plan.budget <= 0) return plan.settings.train.steps;
  const fs::path path = folder / "steps";
  if (!fs::exists(path))
    write_file(path, std::to_string(affordable_steps(ablation, plan, folder, job)) + "\n");
  const int64_t steps = std::atoll(read_file(path).c_str());
  if (steps < 1) throw Error(ErrorKind::kData, path.string(), "is no number of steps", "remove it");
  return steps;
}

}  // namespace

const std::vector<Ablation>& ablations() {
  static const std::vector<Ablation> all = {
      {"ngram-memory",
       "lowers the held-out loss",
       {{"plain", {"model.ngram_order=0"}},
        {"order-2", {"model.ngram_order=2"}},
        {"order-3", {"model.ngram_order=3"}},
        {"order-4", {"model.ngram_order=4"}}}},
      {"ngram-rows",
       "lowers the held-out loss",
       {{"rows-1024", {"model.ngram_order=4", "model.ngram_rows=1024"}},
        {"rows-4096", {"model.ngram_order=4", "model.ngram_rows=4096"}},
        {"rows-16384", {"model.ngram_order=4", "model.ngram_rows=16384"}},
        {"rows-65536", {"model.ngram_order=4", "model.ngram_rows=65536"}}}},
      {"ngram-dropout",
       "lowers the held-out loss",
       {{"none", {"model.ngram_order=4", "model.ngram_dropout=0"}},
        {"0.3", {"model.ngram_order=4", "model.ngram_dropout=0.3"}},
        {"0.5", {"model.ngram_order=4", "model.ngram_dropout=0.5"}}}},
      {"locality",
       "lowers the held-out loss",
       {{"identity", {"tokenizer.order=identity"}},
        {"frequency", {"tokenizer.order=frequency"}},
        {"ulam", {"tokenizer.order=ulam"}}},
       true},
  };
  return all;
}

const Ablation& find_ablation(std::string_view name) {
  std::vector<std::string> names;
  for (const Ablation& ablation : ablations()) {
    if (ablation.name == name) return ablation;
    names.push_back(ablation.name);
  }
  throw Error(ErrorKind::kUsage, "NAME", fmt::format("there is no ablation '{}'", name),
              did_you_mean(std::string(name), names,
                           fmt::format("use one of: {}", fmt::join(names, ", "))));
}

AblationResult run_ablation(const Ablation& ablation, const AblationPlan& plan,
                            const fs::path& folder, const std::string& command,
                            const Engine& engine, Log& log, const RunControls& controls) {
  plan.settings.validate();
  refuse_inequality(plan.settings);
  claim_folder(folder, identity(ablation, plan));
  const Job job{command, engine, log, controls};
  AblationResult result{ablation, steps_of(ablation, plan, folder, job), {}};
  result.runs.resize(ablation.arms.size());
  for (uint64_t seed = 1; seed <= static_cast<uint64_t>(plan.seeds); ++seed)
    for (size_t arm = 0; arm < ablation.arms.size(); ++arm) {
      const fs::path path = folder_of(folder, ablation.arms[arm], seed);
      if (!is_done(path, result.steps)) {
        log.info(fmt::format("{} with seed {} of {}", ablation.arms[arm].name, seed, plan.seeds));
        train(settings_of(plan, ablation.arms[arm], seed, result.steps), path, job);
      }
      const RunFolder run = RunFolder::open(path);
      ArmRun& done = result.runs[arm].emplace_back();
      done.seed = seed;
      done.metrics = read_metrics(run.metrics());
      if (done.metrics.evaluations.empty() || done.metrics.evaluations.back().step != result.steps)
        throw Error(ErrorKind::kData, path.string(),
                    fmt::format("has no held-out loss at step {}", result.steps),
                    "the text needs a held-out part; remove that folder to train it again");
      if (!std::isfinite(done.metrics.evaluations.back().loss)) refuse_divergence(path);
      add_proof(run, engine, done);
    }
  return result;
}

}  // namespace cllm
