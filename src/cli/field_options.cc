#include "cli/field_options.h"

#include <fmt/format.h>

#include "base/check.h"

namespace cllm::cli {
namespace {

std::string type_name(const Field& field) {
  if (!field.names().empty()) return "NAME";
  if (field.is_text()) return "TEXT";
  return field.is_integer() ? "N" : "X";
}

std::string default_text(const Field& field) {
  const std::string literal = toml_literal(field.default_value());
  return literal == "\"\"" ? "none" : literal;
}

std::string option_help(const Field& field, const std::string& fallback) {
  const std::string range = field.is_text() && field.names().empty() ? "" : field.expectation();
  return fmt::format("{} ({}{}default {})", field.info().help, range, range.empty() ? "" : "; ",
                     fallback.empty() ? default_text(field) : fallback);
}

}  // namespace

std::string FieldOptions::option_name(std::string field) {
  for (char& c : field)
    if (c == '_') c = '-';
  return "--" + field;
}

void FieldOptions::add(CLI::App& command, const std::string& name,
                       const SettingsBinder::Entry& entry, const std::string& fallback) {
  command
      .add_option_function<std::string>(
          name,
          [this, name, key = entry.key](const std::string& value) {
            given_.push_back({name, key, value});
          },
          option_help(entry.field, fallback))
      ->type_name(type_name(entry.field));
}

void FieldOptions::apply(SettingsBinder& binder) const {
  for (const Given& given : given_)
    binder.set(given.key, given.value, given.name, SettingSource::kFlag);
}

const SettingsBinder::Entry& setting(const SettingsBinder& binder, const std::string& key) {
  for (const SettingsBinder::Section& section : binder.sections())
    for (const SettingsBinder::Entry& entry : section.entries)
      if (entry.key == key) return entry;
  check_failed(__FILE__, __LINE__, "setting exists", key);
}

}  // namespace cllm::cli
