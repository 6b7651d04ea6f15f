#include "train/ablation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/settings_text.h"
#include "model/engine.h"
#include "model/model_folder.h"
#include "model/transformer.h"
#include "runlog/run_lock.h"
#include "train/checkpoint.h"
#include "train/compress.h"
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

std::string name_of(const AblationArm& arm, uint64_t seed) {
  return fmt::format("{}-seed-{}", arm.name, seed);
}

fs::path folder_of(const fs::path& folder, const AblationArm& arm, uint64_t seed) {
  return folder / "runs" / name_of(arm, seed);
}

// What the run recorded of itself.
void add_proof(const RunFolder& run, int64_t steps, ArmRun& result) {
  const RunSettings settings = stored_run_settings(run);
  const Transformer model(settings.model, load_model_codes(run.checkpoint(steps), settings.model));
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

// Everything that one arm needs besides its settings.
struct Job {
  const std::string& command;
  Log& log;
  const RunControls& controls;
};

constexpr const char* kStopped = "stopped; the same command goes on from here";

void check_stop(const Job& job) {
  if (job.controls.poll && job.controls.poll() == RunRequest::kStop) throw Interrupted(kStopped);
}

// Another rate for this training alone, which the run's own error advises, would be another arm.
[[noreturn]] void refuse_divergence(const fs::path& path) {
  throw Error(ErrorKind::kDiverged, path.string(), "the loss is no longer finite",
              "begin again with settings under which every arm trains, such as a lower "
              "optimizer.learning_rate");
}

// The engine is the arm's own: how tasks are shared and ordered are settings too.
RunResult start_or_resume(const RunSettings& settings, const fs::path& path, const Job& job) {
  const Engine engine = engine_of(settings);
  if (!RunFolder::is_run(path))
    return start_run(settings, path, false, job.command, engine, job.log, job.controls);
  const RunFolder run = RunFolder::open(path);
  return resume_run(stored_run_settings(run), run, engine, job.log, job.controls);
}

RunResult train(const RunSettings& settings, const fs::path& path, const Job& job) try {
  const RunResult result = start_or_resume(settings, path, job);
  if (result.end == RunEnd::kInterrupted) throw Interrupted(kStopped);
  return result;
} catch (const Error& error) {
  if (error.kind() != ErrorKind::kDiverged) throw;
  refuse_divergence(path);
}

// A run that was killed still has its lock: its report or links may be missing, which resume mends.
bool is_done(const fs::path& path, int64_t steps) {
  if (!RunFolder::is_run(path) || fs::exists(RunLock::file(path))) return false;
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
    if (arm.derived) continue;
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
    text += fmt::format("# {}: {}\n", arm.name,
                        arm.derived ? description(*arm.derived)
                                    : fmt::format("{}", fmt::join(arm.assignments, " ")));
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

// The identity is the first file in the folder, so that a start that was killed before it left no
// other.
void claim_folder(const fs::path& folder, const std::string& identity) {
  const fs::path path = folder / "ablation.toml";
  if (fs::exists(path)) {
    if (read_file(path) == identity) return;
    throw Error(ErrorKind::kUsage, folder.string(), "holds an ablation of other settings",
                "give another --out, or the settings that it began with");
  }
  if (fs::exists(folder) && !(fs::is_directory(folder) && holds_only(folder, {temporary_of(path)})))
    throw Error(ErrorKind::kUsage, folder.string(), "is not empty and holds no ablation",
                "give another --out");
  make_folder(folder);
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

const AblationArm& source_of(const Ablation& ablation, const AblationArm& arm) {
  const auto source = std::ranges::find(ablation.arms, arm.derived->source, &AblationArm::name);
  CHECK_MSG(source != ablation.arms.end() && !source->derived, "{}", arm.name);
  return *source;
}

// Not after hours of other arms.
void refuse_impossible(const Ablation& ablation, const AblationPlan& plan) {
  plan.settings.validate();
  refuse_inequality(plan.settings);
  const int64_t steps = std::max<int64_t>(plan.settings.train.steps, 1);
  for (const AblationArm& arm : ablation.arms)
    if (!arm.derived)
      settings_of(plan, arm, 1, steps);
    else
      refuse_underivable(*arm.derived, settings_of(plan, source_of(ablation, arm), 1, steps));
}

ArmRun trained_run(const AblationPlan& plan, const AblationArm& arm, uint64_t seed, int64_t steps,
                   const fs::path& folder, const Job& job) {
  const fs::path path = folder_of(folder, arm, seed);
  if (!is_done(path, steps)) train(settings_of(plan, arm, seed, steps), path, job);
  const RunFolder run = RunFolder::open(path);
  ArmRun done{.seed = seed, .metrics = read_metrics(run.metrics())};
  if (done.metrics.evaluations.empty() || done.metrics.evaluations.back().step != steps)
    throw Error(ErrorKind::kData, path.string(),
                fmt::format("has no held-out loss at step {}", steps),
                "the text needs a held-out part; remove that folder to train it again");
  const double loss = done.metrics.evaluations.back().loss;
  if (!std::isfinite(loss)) refuse_divergence(path);
  done.figures = {{Quantity::kLoss, loss},
                  {Quantity::kBytes, static_cast<double>(model_file_bytes(run.checkpoint(steps)))}};
  if (!done.metrics.steps.empty())
    done.figures[Quantity::kSeconds] = done.metrics.steps.back().seconds;
  add_proof(run, steps, done);
  return done;
}

ArmRun derived_run(const AblationPlan& plan, const AblationArm& arm, const AblationArm& source,
                   uint64_t seed, int64_t steps, const fs::path& folder, const Job& job) {
  const RunSettings settings = settings_of(plan, source, seed, steps);
  const Engine engine = engine_of(settings);
  const RunFolder run = RunFolder::open(folder_of(folder, source, seed));
  make_folder(folder / "derived");
  const fs::path place = folder / "derived" / name_of(arm, seed);
  remove_finished_work(place);
  return {.seed = seed,
          .figures = derive(*arm.derived, {run, steps, engine, [&] { check_stop(job); }}, place)};
}

// The arms that are trained, then those made of them. Every other seed turns the first round: what
// changes on a machine from minute to minute must not be the time of one arm.
std::vector<size_t> turns(const Ablation& ablation, uint64_t seed) {
  std::vector<size_t> arms(ablation.arms.size());
  std::iota(arms.begin(), arms.end(), size_t{0});
  const auto derived = std::stable_partition(arms.begin(), arms.end(), [&](size_t arm) {
    return !ablation.arms[arm].derived.has_value();
  });
  if (seed % 2 == 0) std::reverse(arms.begin(), derived);
  return arms;
}

}  // namespace

AblationResult run_ablation(const Ablation& ablation, const AblationPlan& plan,
                            const fs::path& folder, const std::string& command, Log& log,
                            const RunControls& controls) {
  refuse_impossible(ablation, plan);
  claim_folder(folder, identity(ablation, plan));
  const Job job{command, log, controls};
  AblationResult result{ablation, steps_of(ablation, plan, folder, job), {}};
  result.runs.resize(ablation.arms.size());
  for (uint64_t seed = 1; seed <= static_cast<uint64_t>(plan.seeds); ++seed)
    for (const size_t i : turns(ablation, seed)) {
      const AblationArm& arm = ablation.arms[i];
      log.info(fmt::format("{} with seed {} of {}", arm.name, seed, plan.seeds));
      result.runs[i].push_back(
          arm.derived
              ? derived_run(plan, arm, source_of(ablation, arm), seed, result.steps, folder, job)
              : trained_run(plan, arm, seed, result.steps, folder, job));
    }
  return result;
}

}  // namespace cllm
