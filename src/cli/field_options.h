// Command-line options made from the field lists of settings structs (base/fields.h): help,
// default, range and messages come from the list.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/settings.h"

namespace cllm::cli {

// Collects what was given, as text; a SettingsBinder understands it later. Must stay where it is
// while the command line is parsed.
class FieldOptions {
 public:
  // An option `name` ("--steps") for the setting of a binder that has this entry. fallback: what
  // the help calls the default, if it is not the entry's.
  void add(CLI::App& command, const std::string& name, const SettingsBinder::Entry& entry,
           const std::string& fallback = {});

  // One option for each field of a section: --max-tokens for max_tokens.
  template <class Settings>
  void add_section(CLI::App& command, const std::string& section) {
    Settings settings;
    SettingsBinder binder;
    binder.add_section(section, settings);
    for (const SettingsBinder::Entry& entry : binder.sections().front().entries)
      add(command, option_name(entry.field.name()), entry);
  }

  // Sets what was given. Error (kUsage) that names the option.
  void apply(SettingsBinder& binder) const;

 private:
  struct Given {
    std::string name, key, value;
  };
  static std::string option_name(std::string field);

  std::vector<Given> given_;
};

// The entry of a key; a failed CHECK if there is none.
const SettingsBinder::Entry& setting(const SettingsBinder& binder, const std::string& key);

}  // namespace cllm::cli
