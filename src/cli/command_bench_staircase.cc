// cllm bench staircase: the performance claims of the originating documents, one stair each.
#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/suggest.h"
#include "bench/staircase.h"
#include "cli/bench_options.h"
#include "cli/signals.h"

namespace cllm::cli {
namespace {

constexpr const char* kAll = "all";

struct Options {
  BenchOptions common;
  std::string shape = "c-128";
  int64_t steps = 2;
};

std::vector<bench::StairShape> chosen_shapes(const std::string& name) {
  std::vector<bench::StairShape> shapes = bench::stair_shapes();
  if (name == kAll) return shapes;
  std::vector<std::string> names = {kAll};
  for (const bench::StairShape& shape : shapes) {
    if (shape.name == name) return {shape};
    names.push_back(shape.name);
  }
  throw Error(ErrorKind::kUsage, "--shape", fmt::format("there is no shape '{}'", name),
              did_you_mean(name, names, fmt::format("use one of: {}", fmt::join(names, ", "))));
}

int run(const CLI::App& command, const Options& options, ActionContext& context) {
  const std::vector<bench::StairShape> shapes = chosen_shapes(options.shape);
  install_signal_handlers();
  const Engine engine(static_cast<int>(options.common.threads));
  bench::Report report = new_report("staircase", engine);
  report.settings["rounds"] = options.common.rounds;
  report.settings["steps"] = options.steps;
  report.settings["shape"] = options.shape;
  const bench::StaircaseOptions wanted{static_cast<int>(options.common.rounds),
                                       static_cast<int>(options.steps)};
  bench::climb_staircase(shapes, wanted, engine.context(), bench_progress(context.log, "staircase"),
                         report);
  return finish_bench(report, command, options.common, context);
}

}  // namespace

void add_bench_staircase(Program& program, CLI::App& bench) {
  CLI::App* command = add_command(program, bench, "staircase",
                                  "From the origins' training to this program, one idea at a time",
                                  "  cllm bench staircase\n"
                                  "  cllm bench staircase --shape all --save staircase.json");
  auto options = std::make_shared<Options>();
  command
      ->add_option("--shape", options->shape,
                   "c-128 (default), cpp-384-4, cpp-384-6, baby, or all, which takes long")
      ->type_name("NAME");
  command
      ->add_option("--steps", options->steps,
                   "timed optimizer steps per measurement, after one that warms up (default 2)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}).description(""));
  options->common.add_to(*command, 3);
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return run(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
