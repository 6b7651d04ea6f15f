#include "train/ablation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/settings_text.h"
#include "base/suggest.h"
#include "model/model_folder.h"
#include "model/transformer.h"
#include "train/checkpoint.h"
#include "train/interrupted.h"
#include "train/run.h"

namespace cllm {
namespace {

// Of a training that only measures its speed; the first ones touch memory for the first time.
constexpr int64_t kProbeSteps = 12, kUncountedSteps = 4;
constexpr double kMostSteps = 1e9;  // that a budget gives

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

// What the run recorded of itself.
void add_proof(const RunFolder& run, int64_t steps, ArmRun& result) {
  const RunSettings settings = stored_settings(run);
  const Transformer model(settings.model, load_model_codes(run.latest(), settings.model));
  result.parameters = model.parameters().count();
  result.flops_per_token = model.training_flops_per_token();
  result.order_hash = hash64_hex(read_state(run.checkpoint(steps)).data_hash);
  const auto json = nlohmann::json::parse(read_file(run.environment()), nullptr, false);
  if (!json.is_object() || !json.contains("initial_weights"))
    throw Error(ErrorKind::kData, run.environment().string(),
                "does not tell what the run began with", "remove that run to train it again");
  for (const auto& [name, hash] : json["initial_weights"].items())
    result.initial_hashes.emplace_back(name, hash.get<std::string>());
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

double seconds_per_step(const std::vector<StepRecord>& steps) {
  CHECK(std::ssize(steps) == kProbeSteps);
  return (steps.back().seconds - steps[kUncountedSteps - 1].seconds) /
         static_cast<double>(kProbeSteps - kUncountedSteps);
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
    train(settings, path, job);
    seconds += seconds_per_step(read_metrics(RunFolder::open(path).metrics()).steps);
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
      {"lattice-embedding",
       "lowers the held-out loss",
       {{"dense", {"model.embedding=dense"}},
        {"step-1/256", {"model.embedding=lattice", "model.embedding_step=0.00390625"}},
        {"step-1/64", {"model.embedding=lattice", "model.embedding_step=0.015625"}},
        {"step-1/16", {"model.embedding=lattice", "model.embedding_step=0.0625"}}}},
      {"prime-embedding",
       "lowers the held-out loss",
       {{"dense", {"model.embedding=dense"}},
        {"factorised-64", {"model.embedding=factorised", "model.embedding_width=64"}},
        {"composite-input", {"model.embedding=composite", "model.tied_head=false"}},
        {"composite", {"model.embedding=composite"}},
        {"composite-dense-1024", {"model.embedding=composite", "model.embedding_dense_rows=1024"}},
        {"composite-merges-2048", {"model.embedding=composite", "model.embedding_primes=2048"}},
        {"random-codes", {"model.embedding=composite", "model.embedding_codes=random"}}}},
      {"exact-reduction",
       "lowers the held-out loss",
       {{"tree", {"parallel.mode=batch", "parallel.reduction=tree"}},
        {"fixed", {"parallel.mode=batch", "parallel.reduction=fixed"}},
        {"super", {"parallel.mode=batch", "parallel.reduction=super"}}}},
      {"locality",
       "lowers the held-out loss",
       {{"identity", {"tokenizer.order=identity"}},
        {"frequency", {"tokenizer.order=frequency"}},
        {"ulam", {"tokenizer.order=ulam"}}},
       true},
      {"residual",
       "lowers the held-out loss",
       {{"plain", {"model.prior_order=0"}},
        {"residual-4", {"model.prior_order=4"}},
        {"residual-6", {"model.prior_order=6"}}}},
      // The middle arm has the shape that `cllm resize` gives to a model of the last one with four
      // heads: its stream alone is narrower.
      {"width",
       "lowers the held-out loss",
       {{"64", {"model.width=64", "model.heads=4"}},
        {"64-of-128",
         {"model.width=64", "model.heads=4", "model.head_size=32", "model.mlp_width=512"}},
        {"128", {"model.width=128", "model.heads=4", "model.mlp_width=512"}}}},
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
  for (const AblationArm& arm : ablation.arms)  // not after hours of the others
    settings_of(plan, arm, 1, std::max<int64_t>(plan.settings.train.steps, 1));
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
      add_proof(run, result.steps, done);
    }
  return result;
}

}  // namespace cllm
