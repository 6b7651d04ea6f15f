#include "base/settings_text.h"

#include <fmt/format.h>

#include <sstream>

namespace cllm {
namespace {

std::string meaning(const FieldInfo& info) {
  return info.unit.empty() ? info.help : fmt::format("{} [{}]", info.help, info.unit);
}

// Appends the words of text, broken at width; every line but the first begins with `indent` blanks,
// and the first begins at column `used`.
std::string wrapped(const std::string& text, size_t used, size_t indent, size_t width) {
  std::istringstream words(text);
  std::string lines;
  size_t column = used;
  for (std::string word; words >> word;) {
    if (column > indent && column + 1 + word.size() > width) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    }
    const bool first = column == indent;
    lines += (first ? "" : " ") + word;
    column += word.size() + (first ? 0 : 1);
  }
  return lines;
}

}  // namespace

std::string settings_toml(const SettingsBinder& binder) {
  std::string text;
  for (const auto& section : binder.sections()) {
    if (!text.empty()) text += '\n';
    if (!section.help.empty()) text += fmt::format("# {}\n", section.help);
    text += fmt::format("[{}]\n", section.name);
    for (const auto& [field, key, source, origin] : section.entries)
      text += fmt::format("# {} ({}; default {})\n{} = {}\n", meaning(field.info()),
                          field.expectation(), toml_literal(field.default_value()), field.name(),
                          toml_literal(field.value()));
  }
  return text;
}

std::string settings_help(const SettingsBinder& binder, size_t width) {
  constexpr size_t kIndent = 38;
  std::string text;
  for (const auto& section : binder.sections()) {
    text += fmt::format("{}[{}] {}\n", text.empty() ? "" : "\n", section.name, section.help);
    for (const auto& entry : section.entries) {
      const std::string left =
          fmt::format("  {}={}", entry.key, toml_literal(entry.field.default_value()));
      // A long name gets a line of its own.
      text += left.size() < kIndent ? left + std::string(kIndent - left.size(), ' ')
                                    : left + "\n" + std::string(kIndent, ' ');
      text +=
          wrapped(fmt::format("{} ({})", meaning(entry.field.info()), entry.field.expectation()),
                  kIndent, kIndent, width) +
          "\n";
    }
  }
  return text;
}

}  // namespace cllm
