// cllm: parses the command line, runs the command, and turns what went wrong into one line and an
// exit code.
#include <unistd.h>

#include <exception>
#include <new>

#include "base/error.h"
#include "base/suggest.h"
#include "cli/program.h"

namespace cllm::cli {
namespace {

std::string command_line(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i)
    line += (i == 0 ? "" : " ") + std::string(argv[i]);
  return line;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

// The deepest command that the command line reached.
const CLI::App& innermost(const CLI::App& app) {
  const auto given = app.get_subcommands();
  return given.empty() ? app : innermost(*given.front());
}

// CLI11's complaint as one line of ours, with a suggestion for a mistyped name.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = innermost(app);
  const std::string help =
      fmt::format("try `cllm {}--help`", &command == &app ? "" : command.get_name() + " ");
  const std::vector<std::string> extras = command.remaining();
  if (!extras.empty()) {
    const std::string& word = extras.front();
    const bool option = word.starts_with("-");
    const std::string name = option ? word.substr(0, word.find('=')) : word;
    const char* kind = option ? "option" : command_names(command).empty() ? "argument" : "command";
    return fmt::format(
        "unknown {} '{}'; {}", kind, name,
        did_you_mean(name, option ? option_names(command) : command_names(command), help));
  }
  std::string text = error.what();
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text + "; " + help;
}

ColorChoice color_choice(const std::string& name) {
  if (name == "always") return ColorChoice::kAlways;
  return name == "never" ? ColorChoice::kNever : ColorChoice::kAuto;
}

int run_action(Program& program, const std::string& line) {
  const GlobalOptions& global = program.global;
  Log log(Terminal::detect(STDERR_FILENO, color_choice(global.color)),
          global.quiet     ? LogLevel::kQuiet
          : global.verbose ? LogLevel::kVerbose
                           : LogLevel::kNormal,
          global.log_format == "json" ? LogFormat::kJson : LogFormat::kPlain);
  ActionContext context{log, global, line};
  try {
    return program.action(context);
  } catch (const Error& error) {
    log.error(error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    log.error("out of memory; choose a smaller model, batch or context");
    return static_cast<int>(ErrorKind::kMemory);
  } catch (const std::exception& error) {
    log.error(error.what());
    return static_cast<int>(ErrorKind::kRuntime);
  }
}

int main(int argc, char** argv) {
  Program program;
  program.app.name("cllm");
  program.app.description("Crystalline: trains and runs small language models on CPUs.");
  program.app.require_subcommand(0, 1);
  program.app.set_help_all_flag();
  add_train(program);
  add_resume(program);
  try {
    program.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.app.exit(error);
    fmt::print(stderr, "cllm: {}\n", usage_message(program.app, error));
    return static_cast<int>(ErrorKind::kUsage);
  }
  if (!program.action) {
    fmt::print("{}", program.app.help());
    return 0;
  }
  return run_action(program, command_line(argc, argv));
}

}  // namespace
}  // namespace cllm::cli

int main(int argc, char** argv) {
  return cllm::cli::main(argc, argv);
}
