// Settings from the outside world: TOML files, environment, --set section.key=value, flags, bound
// to the fields (base/fields.h) of one or more settings structs. Precedence
//   flag > --set > environment > file > preset > default
// holds in whatever order the sources are applied. Everything wrong is an Error (kUsage) that names
// the place, the value and what fits, and suggests the nearest key.
// Printing is in base/settings_text.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace cllm {

// Who set a value; a later one wins over an earlier one.
enum class SettingSource { kDefault, kPreset, kFile, kEnvironment, kSet, kFlag };

// Not thread-safe. Refers to the bound structs, which must outlive it and stay where they are.
class SettingsBinder {
 public:
  struct Entry {
    Field field;
    std::string key;  // "section.name"
    SettingSource source = SettingSource::kDefault;
    std::string origin = "default";  // "run.toml:3:5", "--set optimizer.beta1=0.8", ...
  };
  struct Section {
    std::string name;
    std::string help;
    std::vector<Entry> entries;
  };

  // Binds a struct with `void list(FieldList&)`. Its current values become the defaults.
  template <class Settings>
  void add_section(const std::string& name, Settings& settings, const std::string& help = {}) {
    FieldList fields;
    settings.list(fields);
    add_fields(name, help, std::move(fields.fields()));
  }

  // A TOML file with [section] tables, and the same for a text whose name for messages is `origin`.
  void apply_file(const std::string& path);
  void apply_text(std::string_view toml, const std::string& origin, SettingSource source);
  // "section.key=value", as --set takes it. The value is a TOML value; text and names may stand
  // bare, lists as a,b,c, and integers may end in k, M, G (1000s) or Ki, Mi, Gi (1024s).
  void apply_assignment(std::string_view assignment);
  // The variables CLLM_SECTION_KEY; values as in apply_assignment. An unknown KEY of a known
  // SECTION is an error, other variables are ignored.
  void apply_environment();
  // One value in the form of apply_assignment; origin is for messages ("--steps").
  void set(std::string_view key, std::string_view value, const std::string& origin,
           SettingSource source);

  // Where its value comes from, for messages about combinations of values. CHECKs that the key
  // exists.
  const std::string& origin(std::string_view key) const;

  const std::vector<Section>& sections() const { return sections_; }
  std::vector<std::string> keys() const;

 private:
  void add_fields(const std::string& section, const std::string& help, std::vector<Field> fields);
  Entry* find(std::string_view key);
  Entry& find_or_throw(const std::string& key, const std::string& origin);
  [[noreturn]] void fail_unknown(const std::string& key, const std::string& origin) const;
  void store(Entry& entry, const FieldValue& value, const std::string& origin,
             SettingSource source);

  std::vector<Section> sections_;
};

}  // namespace cllm
