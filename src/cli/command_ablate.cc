// cllm ablate: a technique against its baseline, everything else equal.
#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "cli/program.h"
#include "cli/settings_options.h"
#include "cli/signals.h"
#include "train/ablation_report.h"

namespace cllm::cli {
namespace {

struct AblateOptions {
  std::string name;
  SettingsOptions settings;
  std::string out;
  int64_t seeds = 5;
  std::string budget;
};

int ablate(const AblateOptions& options, ActionContext& context) {
  const Ablation& ablation = find_ablation(options.name);
  AblationPlan plan;
  SettingsBinder binder;
  plan.settings.bind(binder);
  options.settings.apply(plan.settings, binder);
  plan.seeds = options.seeds;
  if (!options.budget.empty()) plan.budget = parse_duration(options.budget, "--budget");
  const fs::path out = options.out.empty() ? "runs/ablation-" + ablation.name : options.out;
  install_signal_handlers();
  const AblationResult result =
      run_ablation(ablation, plan, out, context.command_line, context.log, {poll_signals});
  write_ablation_report(result, context.command_line, out);
  context.out.write(context.global.json ? ablation_json(result, context.command_line)
                                        : ablation_markdown(result, context.command_line));
  return 0;
}

std::string names() {
  std::string list;
  for (const Ablation& ablation : ablations())
    list += (list.empty() ? "" : ", ") + ablation.name;
  return list;
}

}  // namespace

void add_ablate(Program& program) {
  CLI::App* command = add_command(
      program, program.app, "ablate", "Measure what a technique is worth",
      "  cllm ablate ngram-memory --preset nano --data book.txt --steps 400\n"
      "  cllm ablate ngram-memory --preset nano --data book.txt --budget 10m --seeds 3 --out a\n"
      "  cllm ablate compression --preset nano --data book.txt --seeds 3 --out runs/bits");
  auto options = std::make_shared<AblateOptions>();
  command->add_option("NAME", options->name, "one of: " + names())->required();
  command
      ->add_option("--out", options->out,
                   "folder of its runs and its report (default: runs/ablation-NAME); a second "
                   "start goes on there")
      ->type_name("FOLDER");
  command->add_option("--seeds", options->seeds, "trainings of every arm (default 5)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000).description(""));
  command
      ->add_option(
          "--budget", options->budget,
          "time for all trainings together, such as 90s, 10m or 2h; decides the steps. What is "
          "made of a training, such as compressed models, comes on top")
      ->type_name("TIME");
  options->settings.add_to(*command);
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return ablate(*options, context); };
  });
}

}  // namespace cllm::cli
