// cllm: parses the command line, runs the command, and turns what went wrong into one line and an
// exit code.
#include <fcntl.h>
#include <unistd.h>

#include <exception>
#include <new>

#include "base/error.h"
#include "cli/gmp_memory.h"
#include "cli/program.h"
#include "cli/signals.h"
#include "train/interrupted.h"

namespace cllm::cli {
namespace {

// A standard descriptor that is closed would be given to the next file that is opened, and results
// or messages would end up in it. Read-only, so that writing to a closed output still fails.
void reserve_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0) ::open("/dev/null", O_RDONLY);
}

// A word as a POSIX shell reads it back.
std::string quoted(const std::string& word) {
  const bool plain =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%") ==
          std::string::npos;
  if (plain) return word;
  std::string text = "'";
  for (const char c : word)
    text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string command_line(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i)
    line += (i == 0 ? "" : " ") + quoted(argv[i]);
  return line;
}

ColorChoice color_choice(const std::string& name) {
  if (name == "always") return ColorChoice::kAlways;
  return name == "never" ? ColorChoice::kNever : ColorChoice::kAuto;
}

LogLevel log_level(const GlobalOptions& global) {
  if (global.quiet) return LogLevel::kQuiet;
  return global.verbose ? LogLevel::kVerbose : LogLevel::kNormal;
}

template <class Work>
int guarded(Log& log, Work&& work) {
  try {
    return work();
  } catch (const BrokenPipe&) {
    return 0;
  } catch (const Interrupted& interrupted) {
    log.error(interrupted.what());
    return stop_signal() == 0 ? 0 : 128 + stop_signal();  // 0: a run's STOP file
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

int run_action(const Program& program, const std::string& line) {
  const GlobalOptions& global = program.global;
  Log log(Terminal::detect(STDERR_FILENO, color_choice(global.color)), log_level(global),
          global.log_format == "json" ? LogFormat::kJson : LogFormat::kPlain);
  Output out(STDOUT_FILENO);
  ActionContext context{log, out, global, line};
  const int code = guarded(log, [&] { return program.action(context); });
  const int written = guarded(log, [&] {
    out.flush();
    return 0;
  });
  return code != 0 ? code : written;
}

Action show(const CLI::App& command) {
  return [&command](ActionContext& context) {
    context.out.write(help_text(command));
    return 0;
  };
}

void add_commands(Program& program) {
  add_train(program);
  add_resume(program);
  add_generate(program);
  add_eval(program);
  add_compress(program);
  add_resize(program);
  add_export(program);
  add_ablate(program);
  add_plan(program);
  add_report(program);
  add_tokenizer(program);
  add_data(program);
  add_gradcheck(program);
  add_bench(program);
  add_primes(program);
  add_lattice(program);
  add_info(program);
  add_version(program);
  add_help(program);
}

int main(int argc, char** argv) {
  reserve_standard_descriptors();
  ignore_broken_pipes();
  throw_when_gmp_lacks_memory();
  Program program;
  add_commands(program);
  try {
    program.app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    program.action = show(innermost_command(program.app));
  } catch (const CLI::ParseError& error) {
    Log log(Terminal::detect(STDERR_FILENO, ColorChoice::kAuto), LogLevel::kNormal,
            LogFormat::kPlain);
    log.error(usage_message(program.app, error));
    return static_cast<int>(ErrorKind::kUsage);
  }
  if (!program.action) program.action = show(program.app);
  return run_action(program, command_line(argc, argv));
}

}  // namespace
}  // namespace cllm::cli

int main(int argc, char** argv) {
  return cllm::cli::main(argc, argv);
}
