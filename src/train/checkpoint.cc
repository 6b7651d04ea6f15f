#include "train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/check.h"
#include "base/error.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "train/compress.h"
#include "train/export.h"
#include "train/manifest.h"
#include "train/resize.h"

namespace cllm {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// 2 had no loss scaling, 3 no hash of the data, which then begins where the run goes on.
constexpr int kStateVersion = 4, kOldestStateVersion = 2;

std::string tensor_name(const NamedArena& arena, const Parameter& parameter) {
  return arena.name + "." + parameter.name;
}

void write_moments(const fs::path& path, const CheckpointContents& contents) {
  SafetensorsWriter writer;
  for (const NamedArena& arena : contents.moments)
    for_each_part(contents.model.parameters(), arena, [&](const Parameter& parameter, float* data) {
      writer.add(tensor_name(arena, parameter), DType::kF32, parameter.shape, data);
    });
  writer.write(path);
}

void read_moments(const fs::path& path, const CheckpointContents& contents) {
  const SafetensorsFile file(path);
  for (const NamedArena& arena : contents.moments)
    for_each_part(contents.model.parameters(), arena, [&](const Parameter& parameter, float* data) {
      const StoredTensor* tensor = file.find(tensor_name(arena, parameter));
      if (tensor == nullptr)
        throw Error(ErrorKind::kData, path.string(),
                    "has no tensor " + tensor_name(arena, parameter),
                    "the run's optimizer was another one; start a new run from this model");
      require_shape(*tensor, parameter.shape);
      copy_as_float(*tensor, {data, static_cast<size_t>(parameter.count)});
    });
}

// An infinite best loss (nothing evaluated yet) is null.
OrderedJson state_json(const TrainingState& state) {
  return {{"version", kStateVersion},
          {"step", state.step},
          {"micro_steps", state.micro_steps},
          {"tokens", state.tokens},
          {"data_hash", hash64_hex(state.data_hash)},
          {"loader", {{"epoch", state.loader.epoch}, {"window", state.loader.window}}},
          {"loss_scale",
           {{"scale", state.loss_scale.scale},
            {"good_steps", state.loss_scale.good_steps},
            {"skipped_steps", state.loss_scale.skipped_steps},
            {"skipped_in_row", state.loss_scale.skipped_in_row}}},
          {"best_loss",
           std::isfinite(state.best_loss) ? OrderedJson(state.best_loss) : OrderedJson(nullptr)},
          {"best_step", state.best_step},
          {"evaluations_since_best", state.evaluations_since_best},
          {"stopped_early", state.stopped_early},
          {"evaluation_owed", state.evaluation_owed},
          {"sample_owed", state.sample_owed}};
}

// 0 for what is no hash in hexadecimal digits: it proves nothing then, and decides nothing.
uint64_t hash_from(const Json& json) {
  const auto text = json.get<std::string>();
  uint64_t hash = 0;
  std::from_chars(text.data(), text.data() + text.size(), hash, 16);
  return hash;
}

optim::LossScaleState loss_scale_from(const Json& json) {
  return {.scale = json.at("scale"),
          .good_steps = json.at("good_steps"),
          .skipped_steps = json.at("skipped_steps"),
          .skipped_in_row = json.at("skipped_in_row")};
}

// The step of "step-000500"; none for other names.
std::optional<int64_t> step_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  constexpr std::string_view prefix = "step-";
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return std::nullopt;
  int64_t step = 0;
  for (const char c : name.substr(prefix.size())) {
    if (c < '0' || c > '9' || step > (int64_t{1} << 40)) return std::nullopt;
    step = 10 * step + (c - '0');
  }
  return step;
}

// Steps that have a checkpoint folder, newest first.
std::vector<int64_t> checkpoint_steps(const RunFolder& run) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (fs::directory_iterator at(run.checkpoints(), error), end; !error && at != end;
       at.increment(error))
    if (const auto step = step_of(at->path())) steps.push_back(*step);
  if (error && error != std::errc::no_such_file_or_directory)
    throw Error(ErrorKind::kRuntime, run.checkpoints().string(), "cannot list: " + error.message(),
                "check its permissions");
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

// Renames first, so that a crash in the middle cannot leave a folder that looks like a checkpoint.
void remove_folder(const fs::path& folder) {
  const fs::path doomed = folder.parent_path() / (".tmp-" + folder.filename().string() + ".old");
  std::error_code error;
  fs::remove_all(doomed, error);
  fs::rename(folder, doomed, error);
  fs::remove_all(doomed, error);
}

// Keeps the newest ones up to this step and the best. Later ones are damaged leftovers that the run
// went back behind: they must not push a good one out, and the run will write them again.
void rotate(const RunFolder& run, const TrainingState& state, int64_t keep) {
  std::vector<int64_t> steps = checkpoint_steps(run);
  std::erase_if(steps, [&](int64_t step) { return step > state.step; });
  for (size_t i = static_cast<size_t>(keep); i < steps.size(); ++i)
    if (steps[i] != state.best_step) remove_folder(run.checkpoint(steps[i]));
}

void point_to(const RunFolder& run, const fs::path& link, int64_t step) {
  const fs::path target = fs::path("checkpoints") / run.checkpoint(step).filename();
  std::error_code error;
  if (fs::read_symlink(link, error) != target) replace_symlink(target, link);
}

bool is_good(const fs::path& folder, Log& log) {
  try {
    verify_checkpoint(folder);
    return true;
  } catch (const Error& error) {
    log.warn(fmt::format("passing over a damaged checkpoint: {}", error.what()));
    return false;
  }
}

}  // namespace

void save_checkpoint(const RunFolder& run, const CheckpointContents& contents,
                     const TrainingState& state, int64_t keep) {
  const fs::path target = run.checkpoint(state.step);
  AtomicFolder folder(target);
  save_model(folder.path(), contents.model, contents.weights, contents.tokenizer);
  write_moments(folder.path() / "optimizer.safetensors", contents);
  write_file(folder.path() / "state.json", state_json(state).dump(2) + "\n");
  write_manifest(folder.path());
  if (fs::exists(target)) remove_folder(target);
  folder.commit();
  point_to(run, run.latest(), state.step);
  if (state.best_step == state.step) point_to(run, run.best(), state.step);
  rotate(run, state, keep);
}

void verify_checkpoint(const fs::path& folder) {
  verify_manifest(
      folder,
      {"config.json", "model.safetensors", "optimizer.safetensors", "state.json", "tokenizer.json"},
      "use another checkpoint of the run");
}

bool had_checkpoint(const RunFolder& run) {
  std::error_code missing;
  return fs::is_symlink(run.latest(), missing) || !checkpoint_steps(run).empty();
}

void restore_links(const RunFolder& run, const TrainingState& state) {
  point_to(run, run.latest(), state.step);
  if (fs::exists(run.checkpoint(state.best_step))) point_to(run, run.best(), state.best_step);
}

fs::path find_good_checkpoint(const RunFolder& run, Log& log) {
  const std::vector<int64_t> steps = checkpoint_steps(run);
  for (const int64_t step : steps)
    if (is_good(run.checkpoint(step), log)) return run.checkpoint(step);
  throw Error(ErrorKind::kData, run.path().string(),
              steps.empty() ? "has no checkpoint yet"
                            : fmt::format("none of its {} checkpoints is whole", steps.size()),
              "start again with `cllm train ... --overwrite`");
}

TrainingState read_state(const fs::path& folder) {
  const fs::path path = folder / "state.json";
  try {
    const Json json = Json::parse(read_file(path));
    const Json& version = json.at("version");
    if (version < kOldestStateVersion || version > kStateVersion)
      throw Error(ErrorKind::kData, path.string(), "was written by another version of cllm",
                  "continue with that version, or start a new run from this model");
    TrainingState state;
    state.step = json.at("step");
    state.micro_steps = json.at("micro_steps");
    state.tokens = json.at("tokens");
    if (version > 3) state.data_hash = hash_from(json.at("data_hash"));
    state.loader.epoch = json.at("loader").at("epoch");
    state.loader.window = json.at("loader").at("window");
    if (version > 2) state.loss_scale = loss_scale_from(json.at("loss_scale"));
    if (!json.at("best_loss").is_null()) state.best_loss = json.at("best_loss");
    state.best_step = json.at("best_step");
    state.evaluations_since_best = json.at("evaluations_since_best");
    state.stopped_early = json.at("stopped_early");
    state.evaluation_owed = json.at("evaluation_owed");
    state.sample_owed = json.at("sample_owed");
    if (step_of(folder) != state.step || state.micro_steps < 0 || state.tokens < 0)
      throw Error(ErrorKind::kData, path.string(), "does not belong to this checkpoint",
                  "remove the checkpoint, then resume from another one");
    return state;
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::kData, path.string(), "is damaged", "resume from another checkpoint");
  }
}

TrainingState load_checkpoint(const fs::path& folder, const CheckpointContents& contents) {
  load_weights(folder, contents.model, contents.weights);
  read_moments(folder / "optimizer.safetensors", contents);
  return read_state(folder);
}

fs::path resolve_model_folder(const fs::path& argument, Log& log) {
  if (RunFolder::is_run(argument)) {
    const RunFolder run = RunFolder::open(argument);
    if (fs::exists(run.best()) && is_good(run.best(), log)) return fs::canonical(run.best());
    return find_good_checkpoint(run, log);
  }
  if (!fs::is_directory(argument))
    throw Error(ErrorKind::kUsage, argument.string(),
                fs::exists(argument) ? "is not a folder" : "does not exist",
                "give a run, a checkpoint, or a folder with a GPT-2 or Llama model");
  if (!fs::exists(argument / "config.json"))
    throw Error(ErrorKind::kData, argument.string(), "holds no model",
                "give a run, a checkpoint, or a folder with a GPT-2 or Llama model");
  if (fs::exists(argument / "manifest.json") && fs::exists(argument / "state.json"))
    verify_checkpoint(argument);
  if (fs::exists(argument / kCompressionFile)) verify_compressed(argument);
  if (fs::exists(argument / kResizeFile)) verify_resized(argument);
  if (fs::exists(argument / kExportFile)) verify_exported(argument);
  return argument;
}

}  // namespace cllm
