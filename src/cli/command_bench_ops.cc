// cllm bench ops: the operations of training other than matrix products.
#include <memory>

#include "base/error.h"
#include "bench/operations.h"
#include "cli/bench_options.h"
#include "cli/signals.h"

namespace cllm::cli {
namespace {

struct OpsOptions {
  BenchOptions bench;
  std::vector<std::string> presets;
  std::vector<std::string> only;
};

void require_match(const std::vector<std::string>& only) {
  const std::vector<std::string> names = bench::operation_names();
  for (const std::string& text : only)
    if (std::none_of(names.begin(), names.end(),
                     [&](const auto& name) { return name.find(text) != std::string::npos; }))
      throw Error(ErrorKind::kUsage, "--only",
                  fmt::format("no operation has '{}' in its name", text),
                  fmt::format("operations: {}", fmt::join(names, ", ")));
}

int run(const CLI::App& command, const OpsOptions& options, ActionContext& context) {
  require_match(options.only);
  std::vector<bench::BenchPreset> presets;
  for (const std::string& name : options.presets)
    presets.push_back(bench::bench_preset(name));
  if (presets.empty())
    for (const char* name : {"nano", "baby", "gpt2"})
      presets.push_back(bench::bench_preset(name));
  install_signal_handlers();
  const Engine engine(static_cast<int>(options.bench.threads));
  bench::Report report = new_report("ops", engine);
  report.settings["rounds"] = options.bench.rounds;
  report.notes = {
      "Bandwidth counts every operand once and is a share of what a copy of as many bytes "
      "reached."};
  bench::measure_operations(engine.context(), presets, options.only,
                            static_cast<int>(options.bench.rounds),
                            bench_progress(context.log, "ops"), report);
  return finish_bench(report, command, options.bench, context);
}

}  // namespace

void add_bench_ops(Program& program, CLI::App& bench) {
  CLI::App* command =
      add_command(program, bench, "ops", "Norms, attention, cross entropy, optimizer, ...",
                  "  cllm bench ops\n  cllm bench ops --preset gpt2 --only attention --rounds 15");
  auto options = std::make_shared<OpsOptions>();
  options->bench.add_to(*command, 5);
  command
      ->add_option("--preset", options->presets, "shapes of this preset (default nano, baby, gpt2)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("--only", options->only, "only operations with this in their name")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return run(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
