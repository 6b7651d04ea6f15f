// cllm bench step: whole training steps of the presets, for any settings.
#include <memory>
#include <sstream>

#include "base/error.h"
#include "bench/presets.h"
#include "bench/step.h"
#include "cli/bench_options.h"
#include "cli/settings_options.h"
#include "cli/signals.h"
#include "crystal/ngram_moduli.h"

namespace cllm::cli {
namespace {

struct StepOptions {
  BenchOptions bench;
  std::vector<std::string> presets;
  std::vector<std::string> assignments;  // "section.key=value"
  std::vector<std::string> variations;   // "section.key=value,value"
};

constexpr size_t kMostCases = 32;

// "a=1,2" and "b=3,4" give {a=1 b=3} {a=1 b=4} {a=2 b=3} {a=2 b=4}.
std::vector<std::vector<std::string>> combinations(const std::vector<std::string>& variations) {
  std::vector<std::vector<std::string>> all = {{}};
  for (const std::string& variation : variations) {
    const size_t equals = variation.find('=');
    if (equals == std::string::npos)
      throw Error(ErrorKind::kUsage, "--vary", fmt::format("'{}' has no '='", variation),
                  "write --vary section.key=value,value");
    const std::string key = variation.substr(0, equals);
    std::vector<std::vector<std::string>> longer;
    for (const auto& chosen : all) {
      std::istringstream values(variation.substr(equals + 1));
      for (std::string value; std::getline(values, value, ',');) {
        longer.push_back(chosen);
        longer.back().push_back(key + "=" + value);
      }
    }
    if (longer.empty())
      throw Error(ErrorKind::kUsage, "--vary", fmt::format("'{}' has no value", variation),
                  "write --vary section.key=value,value");
    all = std::move(longer);
    if (all.size() > kMostCases)
      throw Error(ErrorKind::kUsage, "--vary", "gives too many cases",
                  fmt::format("vary fewer values: {} cases at most", kMostCases));
  }
  return all;
}

// The preset's settings as its recipe has them, then what the user wants.
void resolve(const StepOptions& options, const bench::BenchPreset& preset,
             const std::vector<std::string>& varied, RunSettings& settings) {
  SettingsBinder binder;
  settings.bind(binder);
  apply_preset(std::string(preset.name), binder);
  binder.apply_text(fmt::format("[model]\nvocabulary_size = {}\n[train]\nbatch_size = {}\n",
                                preset.vocabulary_size, preset.batch_size),
                    fmt::format("--preset {}", preset.name), SettingSource::kPreset);
  binder.apply_environment();
  for (const std::string& assignment : options.assignments)
    binder.apply_assignment(assignment);
  if (options.bench.threads > 0) settings.train.threads = options.bench.threads;
  for (const std::string& assignment : varied)  // last, because the case is named after it
    binder.apply_assignment(assignment);
  settings.sample.every = 0;  // no part of a step
  choose_ngram_moduli(settings.model);
  settings.validate_training();
  if (settings.model.prior_order > 0)
    throw Error(ErrorKind::kUsage, "model.prior_order",
                "the tokens of this benchmark are random, so there is no text to count",
                "drop it; `cllm train` tells the speed with a prior");
}

std::vector<bench::StepCase> make_cases(const StepOptions& options) {
  std::vector<std::string> presets = options.presets;
  if (presets.empty()) presets = {"nano", "baby"};
  std::vector<bench::StepCase> cases;
  for (const std::string& name : presets)
    for (const std::vector<std::string>& varied : combinations(options.variations)) {
      cases.push_back({name, {}});
      for (const std::string& assignment : varied)
        cases.back().name += ", " + assignment;
      resolve(options, bench::bench_preset(name), varied, cases.back().settings);
    }
  return cases;
}

int run(const CLI::App& command, const StepOptions& options, ActionContext& context) {
  const std::vector<bench::StepCase> cases = make_cases(options);
  install_signal_handlers();
  bench::Report report = new_report("step", static_cast<int>(options.bench.threads));
  report.settings["rounds"] = options.bench.rounds;
  bench::measure_steps(cases, static_cast<int>(options.bench.rounds),
                       bench_progress(context.log, "step"), report);
  return finish_bench(report, command, options.bench, context);
}

}  // namespace

void add_bench_step(Program& program, CLI::App& bench) {
  CLI::App* command = add_command(
      program, bench, "step",
      "Whole training steps: tokens/s, FLOP utilisation, memory, time by "
      "operation",
      "  cllm bench step --preset baby\n"
      "  cllm bench step --preset gpt2 --vary precision.mode=fp32,bf16 --vary train.threads=1,4\n"
      "  cllm bench step --preset nano --set model.mlp=swiglu --json");
  auto options = std::make_shared<StepOptions>();
  options->bench.add_to(*command, 7);
  command->add_option("--preset", options->presets, "model to train (default nano and baby)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("--set", options->assignments, "any setting of training, for all cases")
      ->type_name("SECTION.KEY=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--vary", options->variations,
                   "a case for each of these values of a setting; several multiply")
      ->type_name("SECTION.KEY=A,B")
      ->allow_extra_args(false);
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return run(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
