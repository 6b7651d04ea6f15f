// The options by which a command takes training settings: flags for the common ones, --preset,
// --config, --set for all. Precedence: flag > --set > environment > file > preset > default.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "train/settings.h"

namespace cllm::cli {

struct SettingsOptions {
  std::string preset;
  std::string config;
  std::vector<std::string> assignments;
  std::vector<std::string> data;
  std::map<std::string, std::string> flags;  // key of the setting -> text, as given

  // Adds --preset, --config, --set, --data and the flags.
  void add_to(CLI::App& command);
  // settings = everything applied in order. binder must be bound to settings.
  void apply(RunSettings& settings, SettingsBinder& binder) const;
};

// The one flag word for the built-in corpus: --data stories.
inline constexpr const char* kStories = "stories";

}  // namespace cllm::cli
