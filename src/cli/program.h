// The command line as a whole: common options, one App per command, and the action that the command
// line chose. Each command is one file, command_<name>.cc, that adds itself.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/terminal.h"
#include "cli/output.h"

namespace cllm::cli {

// The group of options that every command has.
inline constexpr const char* kCommonOptions = "Common options";

struct GlobalOptions {
  bool quiet = false;
  bool verbose = false;
  bool json = false;  // results as one JSON document on stdout
  std::string color = "auto";
  std::string log_format = "plain";
};

// What an action runs with.
struct ActionContext {
  Log& log;
  Output& out;
  const GlobalOptions& global;
  std::string command_line;  // as the user typed it
};

// Returns the exit code. Failures are thrown (base/error.h).
using Action = std::function<int(ActionContext&)>;

struct Program {
  Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  CLI::App app;
  GlobalOptions global;
  Action action;  // of the command that was given
};

// Adds a command with the common options; `examples`, one indented line each, stand first in its
// help. `parent` is the program's app or a command that has commands of its own.
CLI::App* add_command(Program& program, CLI::App& parent, const std::string& name,
                      const std::string& description, const std::string& examples);

// The same for a command that only has commands of its own and does nothing without one.
CLI::App* add_command_group(Program& program, const std::string& name,
                            const std::string& description, const std::string& examples);

// "cllm tokenizer train".
std::string full_name(const CLI::App& command);
// The deepest command that the command line reached.
const CLI::App& innermost_command(const CLI::App& app);
std::string help_text(const CLI::App& command);
std::vector<std::string> command_names(const CLI::App& app);
// What is wrong with the command line in one line, with a suggestion for a mistyped name.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

// Error (kUsage) that names the first of these options of the command that was given: it changes
// nothing without `needed`, which the command line does not have.
void refuse_without(const CLI::App& command, const std::string& needed,
                    const std::vector<std::string>& options);

void add_train(Program& program);
void add_resume(Program& program);
void add_generate(Program& program);
void add_eval(Program& program);
void add_compress(Program& program);
void add_resize(Program& program);
void add_export(Program& program);
void add_ablate(Program& program);
void add_plan(Program& program);
void add_report(Program& program);
void add_tokenizer(Program& program);
void add_tokenizer_factor(Program& program, CLI::App& tokenizer);
void add_data(Program& program);
void add_gradcheck(Program& program);
void add_bench(Program& program);
void add_bench_limits(Program& program, CLI::App& bench);
void add_bench_gemm(Program& program, CLI::App& bench);
void add_bench_ops(Program& program, CLI::App& bench);
void add_bench_locality(Program& program, CLI::App& bench);
void add_bench_step(Program& program, CLI::App& bench);
void add_bench_generate(Program& program, CLI::App& bench);
void add_bench_shortlist(Program& program, CLI::App& bench);
void add_bench_staircase(Program& program, CLI::App& bench);
void add_bench_peers(Program& program, CLI::App& bench);
void add_bench_compare(Program& program, CLI::App& bench);
void add_primes(Program& program);
void add_primes_spiral(Program& program, CLI::App& primes);
void add_lattice(Program& program);
void add_lattice_classical(Program& program, CLI::App& lattice);
void add_info(Program& program);
void add_version(Program& program);
void add_help(Program& program);

}  // namespace cllm::cli
