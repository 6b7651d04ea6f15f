// cllm bench limits: the peak of this machine's arithmetic and memory.
#include <memory>

#include "bench/limits.h"
#include "cli/bench_options.h"
#include "cli/signals.h"

namespace cllm::cli {
namespace {

int run(const CLI::App& command, const BenchOptions& options, ActionContext& context) {
  install_signal_handlers();
  const Engine engine(static_cast<int>(options.threads));
  bench::Report report = new_report("limits", engine);
  report.settings["rounds"] = options.rounds;
  bench::measure_limits(engine.context(), static_cast<int>(options.rounds),
                        bench_progress(context.log, "limits"), report);
  report.notes = {"Bandwidth counts the bytes read and written; \"a core\" is its working set."};
  return finish_bench(report, command, options, context);
}

}  // namespace

void add_bench_limits(Program& program, CLI::App& bench) {
  CLI::App* command =
      add_command(program, bench, "limits", "Peak arithmetic and bandwidth, per core and all cores",
                  "  cllm bench limits\n  cllm bench limits --threads 1 --rounds 15 --json");
  auto options = std::make_shared<BenchOptions>();
  options->add_to(*command, 7);
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return run(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
