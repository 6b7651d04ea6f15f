#include "cli/program.h"

namespace cllm::cli {

CLI::App* add_command(Program& program, CLI::App& parent, const std::string& name,
                      const std::string& description, const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->footer("Examples:\n" + examples);
  GlobalOptions& global = program.global;
  command->add_flag("-q,--quiet", global.quiet, "only warnings and results");
  command->add_flag("-v,--verbose", global.verbose, "more messages");
  command->add_flag("--json", global.json, "results as one JSON document");
  command->add_option("--color", global.color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_option("--log-format", global.log_format, "plain or json")
      ->check(CLI::IsMember({"plain", "json"}));
  return command;
}

}  // namespace cllm::cli
