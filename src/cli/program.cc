#include "cli/program.h"

#include <fmt/format.h>

#include <memory>
#include <sstream>

#include "base/error.h"
#include "base/suggest.h"

namespace cllm::cli {
namespace {

constexpr size_t kTextColumn = 34, kWidth = 100;

// Examples first: most people copy one and change it.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(kTextColumn);
    label("SUBCOMMAND", "COMMAND");
    label("OPTIONS", "options");
  }
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    const auto own = [](const CLI::Option* option) {
      return option->get_group() != kCommonOptions;
    };
    return fmt::format(
        "{}\n\nExamples:\n{}\n\n{}{}{}{}{}", app->get_description(), app->get_footer(),
        make_usage(app, std::move(name)),
        group("Arguments",
              app->get_options([](const CLI::Option* o) { return o->get_positional(); })),
        group("Options",
              app->get_options([&](const CLI::Option* o) { return o->nonpositional() && own(o); })),
        make_subcommands(app, mode),
        group(kCommonOptions, app->get_options([&](const CLI::Option* o) { return !own(o); })));
  }

 private:
  static std::string group(const char* title, const std::vector<const CLI::Option*>& options) {
    if (options.empty()) return "";
    std::string text = fmt::format("\n{}:\n", title);
    for (const CLI::Option* option : options)
      text += entry(*option);
    return text;
  }

  static std::string entry(const CLI::Option& option) {
    std::string name = option.get_positional() ? option.get_name() : option.get_name(false, true);
    if (!option.get_positional() && option.get_type_size() != 0)
      name += " " + option.get_type_name();
    if (option.get_expected_max() == CLI::detail::expected_max_vector_size) name += "...";
    std::string text = fmt::format("  {:<{}}", name, kTextColumn - 2);
    if (name.size() > kTextColumn - 3) text += fmt::format("\n{:{}}", "", kTextColumn);
    size_t column = kTextColumn;
    std::istringstream words(option.get_description());
    for (std::string word; words >> word; column += word.size() + 1) {
      if (column > kTextColumn && column + word.size() > kWidth) {
        text.back() = '\n';
        text.append(kTextColumn, ' ');
        column = kTextColumn;
      }
      text += word + " ";
    }
    text.back() = '\n';
    return text;
  }
};

void add_common_options(CLI::App& app, GlobalOptions& global) {
  const char* const group = kCommonOptions;
  app.get_help_ptr()->group(group);
  app.add_flag("-q,--quiet", global.quiet, "only results, warnings and errors")->group(group);
  app.add_flag("-v,--verbose", global.verbose, "more messages")->group(group);
  app.add_flag("--json", global.json, "results as one JSON document")->group(group);
  app.add_option("--color", global.color, "colour of messages: auto, always or never")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}).description(""))
      ->group(group);
  app.add_option("--log-format", global.log_format, "form of messages: plain or json")
      ->type_name("FORM")
      ->check(CLI::IsMember({"plain", "json"}).description(""))
      ->group(group);
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

}  // namespace

Program::Program() {
  app.name("cllm");
  app.description("Crystalline: trains and runs small language models on CPUs.");
  app.footer(
      "  cllm train --data stories --preset demo --steps 600 --out runs/demo\n"
      "  cllm generate runs/demo --prompt \"One day\"");
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(0, 1);
  app.set_help_flag("-h,--help", "this text");
  add_common_options(app, global);
}

CLI::App* add_command(Program& program, CLI::App& parent, const std::string& name,
                      const std::string& description, const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->group("Commands");
  command->footer(examples);
  add_common_options(*command, program.global);
  return command;
}

CLI::App* add_command_group(Program& program, const std::string& name,
                            const std::string& description, const std::string& examples) {
  CLI::App* command = add_command(program, program.app, name, description, examples);
  command->require_subcommand(0, 1);
  command->callback([&program, command] {
    if (!command->get_subcommands().empty()) return;
    program.action = [command](ActionContext&) -> int {
      throw Error(ErrorKind::kUsage, command->get_name(), "needs a command",
                  fmt::format("one of: {}", fmt::join(command_names(*command), ", ")));
    };
  });
  return command;
}

void refuse_without(const CLI::App& command, const std::string& needed,
                    const std::vector<std::string>& options) {
  for (const std::string& name : options)
    if (command.get_option(name)->count() > 0)
      throw Error(ErrorKind::kUsage, name, fmt::format("changes nothing without {}", needed),
                  "leave it out, or give both");
}

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_name(*parent) + " " + command.get_name();
}

const CLI::App& innermost_command(const CLI::App& app) {
  const auto given = app.get_subcommands();
  return given.empty() ? app : innermost_command(*given.front());
}

std::string help_text(const CLI::App& command) {
  return command.get_formatter()->make_help(&command, full_name(command),
                                            CLI::AppFormatMode::Normal);
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = innermost_command(app);
  const std::string help = fmt::format("try `{} --help`", full_name(command));
  const std::vector<std::string> extras = command.remaining();
  if (!extras.empty()) {
    const std::string& word = extras.front();
    const bool option = word.starts_with("-");
    const std::string name = option ? word.substr(0, word.find('=')) : word;
    const std::vector<std::string> known = option ? option_names(command) : command_names(command);
    const char* kind = option ? "unknown option" : known.empty() ? "unexpected" : "unknown command";
    return fmt::format("{} '{}'; {}", kind, name, did_you_mean(name, known, help));
  }
  std::string text = error.what();
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text + "; " + help;
}

}  // namespace cllm::cli
