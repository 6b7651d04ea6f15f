// Settings as text: the resolved settings as TOML, and the table for help. Both come from
// the field lists, so they cannot drift from what the program accepts.
#pragma once

#include <string>

#include "base/settings.h"

namespace cllm {

// Every setting with its value, as TOML commented with help, range and default. apply_text reads it
// back to the same values bit for bit.
std::string settings_toml(const SettingsBinder& binder);

// For --help: one entry per setting with its default, wrapped at `width` columns.
std::string settings_help(const SettingsBinder& binder, size_t width = 100);

}  // namespace cllm
