// cllm help: the help of a command, and the list of all settings.
#include <memory>

#include "base/error.h"
#include "base/settings_text.h"
#include "base/suggest.h"
#include "cli/program.h"
#include "train/settings.h"

namespace cllm::cli {
namespace {

constexpr const char* kSettings = "settings";

int show_settings(ActionContext& context) {
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  context.out.write(
      "Settings of a training run: in a TOML file (--config), as --set section.key=value, or in\n"
      "the environment as CLLM_SECTION_KEY. Later wins: preset, file, environment, --set, "
      "flag.\n\n");
  context.out.write(settings_help(binder));
  return 0;
}

const CLI::App& find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_name() == name) return *command;
  std::vector<std::string> names = command_names(app);
  names.emplace_back(kSettings);
  throw Error(ErrorKind::kUsage, "", fmt::format("there is no command '{}'", name),
              did_you_mean(name, names, fmt::format("try `{} --help`", full_name(app))));
}

int help(const CLI::App& app, const std::vector<std::string>& topic, ActionContext& context) {
  if (topic.size() == 1 && topic.front() == kSettings) return show_settings(context);
  const CLI::App* command = &app;
  for (const std::string& name : topic)
    command = &find_command(*command, name);
  context.out.write(help_text(*command));
  return 0;
}

}  // namespace

void add_help(Program& program) {
  CLI::App* command =
      add_command(program, program.app, "help", "Help on a command or on all settings",
                  "  cllm help train\n  cllm help tokenizer encode\n  cllm help settings");
  auto topic = std::make_shared<std::vector<std::string>>();
  command->add_option("TOPIC", *topic, "a command, or the word settings");
  command->callback([&program, topic] {
    program.action = [&program, topic](ActionContext& context) {
      return help(program.app, *topic, context);
    };
  });
}

}  // namespace cllm::cli
