// cllm train and cllm resume.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/settings_text.h"
#include "base/units.h"
#include "cli/program.h"
#include "cli/settings_options.h"
#include "cli/signals.h"
#include "train/initial_model.h"
#include "train/run.h"

namespace cllm::cli {
namespace {

const char* end_name(RunEnd end) {
  switch (end) {
    case RunEnd::kFinished:
      return "finished";
    case RunEnd::kStoppedEarly:
      return "stopped early";
    case RunEnd::kInterrupted:
      break;
  }
  return "interrupted";
}

void print_json(const RunResult& result, Output& out) {
  nlohmann::ordered_json json = {{"end", end_name(result.end)},
                                 {"step", result.step},
                                 {"folder", result.folder.string()},
                                 {"checkpoint", result.checkpoint.string()},
                                 {"checkpoint_hash", result.checkpoint_hash},
                                 {"seconds", result.seconds},
                                 {"tokens_per_second", result.tokens_per_second}};
  if (result.best_step >= 0)
    json["best"] = {{"step", result.best_step}, {"loss", result.best_loss}};
  if (result.last.tokens > 0)
    json["held_out"] = {{"loss", result.last.loss},
                        {"perplexity", result.last.perplexity},
                        {"bits_per_byte", result.last.bits_per_byte},
                        {"tokens", result.last.tokens}};
  out.json(json);
}

// As short as it can be typed here: relative if it lies below the working directory.
std::string shown_path(const fs::path& path) {
  std::error_code error;
  const fs::path here = fs::proximate(path, error);
  return error || here.string().starts_with("..") ? path.string() : here.string();
}

void print_text(const RunResult& result, Output& out) {
  out.print("{} at step {} after {} ({})\n", end_name(result.end), result.step,
            format_duration(result.seconds), format_rate(result.tokens_per_second, "tokens"));
  if (result.best_step >= 0)
    out.print("best held-out loss  {:.4f} at step {}\n", result.best_loss, result.best_step);
  out.print("checkpoint          {} (hash {})\n", shown_path(result.checkpoint),
            result.checkpoint_hash);
  out.print("report              {}\n", shown_path(result.folder / "report.svg"));
}

int report(const RunResult& result, const ActionContext& context) {
  if (context.global.json)
    print_json(result, context.out);
  else
    print_text(result, context.out);
  if (result.end != RunEnd::kInterrupted) return 0;
  const int signal = stop_signal();
  context.log.info(
      fmt::format("stopped {}, saved at step {}; go on with `cllm resume {}`",
                  signal == 0 ? "by the STOP file" : fmt::format("by signal {}", signal),
                  result.step, result.folder.string()));
  return signal == 0 ? 0 : 128 + signal;
}

struct TrainOptions {
  SettingsOptions settings;
  std::string out;
  bool overwrite = false;
  bool dump_config = false;
};

int train(const TrainOptions& options, ActionContext& context) {
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  options.settings.apply(settings, binder);
  if (options.dump_config) {
    context.out.write(settings_toml(binder));
    return 0;
  }
  install_signal_handlers();
  const Engine engine = engine_of(settings);
  take_initial_model(settings, given_in(binder), context.log);
  const RunResult result = start_run(settings, options.out, options.overwrite, context.command_line,
                                     engine, context.log, {poll_signals});
  return report(result, context);
}

struct ResumeOptions {
  std::string run;
  std::vector<std::string> assignments;
  FieldOptions flags;
};

// Error (kUsage) for a setting that belongs to what the run is.
void apply_changes(const std::vector<std::string>& assignments, SettingsBinder& binder) {
  for (const std::string& assignment : assignments) {
    binder.apply_assignment(assignment);
    const std::string key = assignment.substr(0, assignment.find('='));
    if (!may_change_on_resume(key))
      throw Error(ErrorKind::kUsage, "--set " + key,
                  "the model, its data and its optimizer stay what they were when a run is resumed",
                  "start a new run with it");
  }
}

int resume(const ResumeOptions& options, ActionContext& context) {
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  const RunFolder folder = RunFolder::open(options.run);
  read_run_settings(folder, binder);
  apply_changes(options.assignments, binder);
  options.flags.apply(binder);
  install_signal_handlers();
  const Engine engine = engine_of(settings);
  return report(resume_run(settings, folder, engine, context.log, {poll_signals}), context);
}

}  // namespace

void add_train(Program& program) {
  CLI::App* command =
      add_command(program, program.app, "train", "Train a model on texts",
                  "  cllm train --data stories --preset demo --steps 600 --out runs/demo\n"
                  "  cllm train --data notes/ --preset baby --steps 2000 --out runs/notes\n"
                  "  cat book.txt | cllm train --data - --preset nano --out runs/book");
  auto options = std::make_shared<TrainOptions>();
  options->settings.add_to(*command);
  command->add_option("--out", options->out, "folder of the run")->type_name("RUN");
  command->add_flag("--overwrite", options->overwrite, "start over if the folder holds a run");
  command->add_flag("--dump-config", options->dump_config, "print the settings as TOML and exit");
  command->callback([&program, options] {
    if (options->out.empty() && !options->dump_config) throw CLI::RequiredError("--out");
    program.action = [options](ActionContext& context) { return train(*options, context); };
  });
}

void add_resume(Program& program) {
  CLI::App* command =
      add_command(program, program.app, "resume", "Continue a run from its newest checkpoint",
                  "  cllm resume runs/demo\n  cllm resume runs/demo --steps 2000\n"
                  "  cllm resume runs/demo --set optimizer.learning_rate=3e-4");
  auto options = std::make_shared<ResumeOptions>();
  command->add_option("RUN", options->run, "folder of the run")->required();
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  for (const auto& [name, key] :
       {std::pair("--steps", "train.steps"), {"--threads", "train.threads"}})
    options->flags.add(*command, name, setting(binder, key), "the run's");
  command
      ->add_option("--set", options->assignments,
                   "a setting to change: of optimizer, schedule, evaluation, checkpoint, sample, "
                   "sampling; train.steps, threads, clip_norm, log_every, recompute; "
                   "precision.loss_scale; parallel.tile_order, token_order")
      ->type_name("SECTION.KEY=VALUE")
      ->allow_extra_args(false);
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return resume(*options, context); };
  });
}

}  // namespace cllm::cli
