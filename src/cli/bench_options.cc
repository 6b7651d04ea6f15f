#include "cli/bench_options.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/progress.h"
#include "cli/build_info.h"
#include "cli/input.h"
#include "cli/signals.h"

namespace cllm::cli {
namespace {

// Key of the report's settings: what stood after `cllm bench`.
constexpr const char* kArguments = "arguments";
constexpr const char* kSave = "--save";
constexpr double kLineSeconds = 10;

struct Shown {
  std::optional<Progress> bar;
  double next_line = steady_seconds() + kLineSeconds;
};

// The options as they were given, in a form that parses to the same.
std::vector<std::string> arguments_of(const CLI::App& command) {
  std::vector<std::string> arguments = {command.get_name()};
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0 || option->get_group() == kCommonOptions) continue;
    if (option->check_name(kSave)) continue;
    if (option->get_type_size() == 0) {
      arguments.push_back("--" + option->get_lnames().front());
      continue;
    }
    for (const std::string& value : option->results())
      arguments.push_back(option->get_positional()
                              ? value
                              : fmt::format("--{}={}", option->get_lnames().front(), value));
  }
  return arguments;
}

class NullOutput {
 public:
  NullOutput() : descriptor_(::open("/dev/null", O_WRONLY | O_CLOEXEC)), output_(descriptor_) {
    if (descriptor_ < 0)
      throw Error(ErrorKind::kRuntime, "/dev/null", errno_text(), "check this system");
  }
  ~NullOutput() { ::close(descriptor_); }
  NullOutput(const NullOutput&) = delete;
  NullOutput& operator=(const NullOutput&) = delete;
  Output& output() { return output_; }

 private:
  int descriptor_;
  Output output_;
};

}  // namespace

void BenchOptions::add_to(CLI::App& command, int64_t default_rounds) {
  rounds = default_rounds;
  command
      .add_option("--rounds", rounds,
                  fmt::format("measurements of each subject, in turns (default {})", rounds))
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{10000}).description(""));
  command.add_option("--threads", threads, "threads (default: the cores this process may use)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, int64_t{1024}).description(""));
  command.add_option(kSave, save, "also write the JSON document there, for `cllm bench compare`")
      ->type_name("FILE");
}

bench::Report new_report(const std::string& benchmark, const Engine& engine) {
  return new_report(benchmark, engine.threads().count);
}

bench::Report new_report(const std::string& benchmark, int threads) {
  bench::Report report;
  report.benchmark = benchmark;
  report.machine = bench::this_machine();
  const BuildInfo build = build_info();
  report.machine.threads = choose_threads(threads).count;
  report.machine.isa = kernels::chosen_table().name;
  report.machine.compiler = build.compiler;
  report.machine.version = build.version;
  report.machine.commit = build.commit;
  return report;
}

bench::Progressed bench_progress(Log& log, const std::string& label) {
  auto shown = std::make_shared<Shown>();
  return [&log, label, shown](int64_t done, int64_t total) {
    check_interrupt();
    if (!shown->bar) shown->bar.emplace(log, label, total);
    shown->bar->update(done);
    if (log.shows_status() || steady_seconds() < shown->next_line) return;
    log.info(fmt::format("{}: {} of {} measurements", label, done, total));
    shown->next_line = steady_seconds() + kLineSeconds;
  };
}

int finish_bench(bench::Report& report, const CLI::App& command, const BenchOptions& options,
                 ActionContext& context) {
  report.settings[kArguments] = arguments_of(command);
  if (context.global.json)
    context.out.json(bench::report_json(report));
  else
    context.out.write(bench::report_table(report));
  // Last: if it cannot be saved, the measurement was not in vain.
  if (!options.save.empty()) bench::save_report(report, options.save);
  return 0;
}

bench::Report run_again(const bench::Report& report, const std::string& origin,
                        ActionContext& context) {
  std::vector<std::string> arguments;
  try {
    report.settings.at(kArguments).get_to(arguments);
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kData, origin, "does not tell how it was made",
                "give a second report: cllm bench compare BASE.json NEW.json");
  }
  const ScratchFolder scratch;
  const std::string path = (scratch.path() / "new.json").string();
  arguments.insert(arguments.begin(), "bench");
  arguments.push_back(fmt::format("{}={}", kSave, path));
  Program program;
  add_bench(program);
  try {
    std::reverse(arguments.begin(), arguments.end());  // it takes them from the back
    program.app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorKind::kData, origin, "cannot be run again by this version",
                usage_message(program.app, error));
  }
  NullOutput null;
  ActionContext quiet{context.log, null.output(), program.global, context.command_line};
  program.action(quiet);
  return bench::read_report(path);
}

}  // namespace cllm::cli
