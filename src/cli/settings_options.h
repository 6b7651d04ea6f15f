// The options by which a command takes training settings: flags for the common ones, --preset,
// --config, --set for all. Precedence: flag > --set > environment > file > preset > default.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/field_options.h"
#include "train/initial_model.h"
#include "train/settings.h"

namespace cllm::cli {

struct SettingsOptions {
  std::string preset;
  std::string config;
  std::vector<std::string> assignments;
  std::vector<std::string> data;
  FieldOptions flags;  // of the common settings

  // Adds --preset, --config, --set, --data and the flags.
  void add_to(CLI::App& command);
  // settings = everything applied in order. binder must be bound to settings.
  void apply(RunSettings& settings, SettingsBinder& binder) const;
};

// Sets model.* to a preset. Error (kUsage) for an unknown name.
void apply_preset(const std::string& name, SettingsBinder& binder);

// Who was given a value by any source.
GivenSettings given_in(const SettingsBinder& binder);

// Adds an option for texts that takes several values, so that both --data A B and --data A --data B
// work.
CLI::Option* add_data_option(CLI::App& command, std::vector<std::string>& data);

// settings.data = what --data named: texts, or the built-in corpus for the word "stories" (unless
// there is a file of that name).
void apply_data(const std::vector<std::string>& data, RunSettings& settings);

}  // namespace cllm::cli
