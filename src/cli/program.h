// The command line as a whole: global options, one App per command, and the action that the command
// line chose. Each command is one file, command_<name>.cc, that adds itself.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/terminal.h"

namespace cllm::cli {

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
  const GlobalOptions& global;
  std::string command_line;  // as the user typed it
};

// Returns the exit code.
using Action = std::function<int(ActionContext&)>;

struct Program {
  CLI::App app;
  GlobalOptions global;
  Action action;  // of the command that was given
};

// Adds a command with the global options and `examples` above the options in its help. `parent` is
// the program's app or a command that has commands of its own.
CLI::App* add_command(Program& program, CLI::App& parent, const std::string& name,
                      const std::string& description, const std::string& examples);

void add_train(Program& program);
void add_resume(Program& program);

}  // namespace cllm::cli
