#include "base/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/suggest.h"

namespace cllm {
namespace {

// None for what no field can hold: dates, tables, lists of anything but texts.
std::optional<FieldValue> field_value(const toml::node& node) {
  if (const auto* truth = node.as_boolean()) return truth->get();
  if (const auto* integer = node.as_integer()) return integer->get();
  if (const auto* real = node.as_floating_point()) return real->get();
  if (const auto* text = node.as_string()) return text->get();
  const auto* array = node.as_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> list;
  for (const toml::node& item : *array) {
    if (!item.is_string()) return std::nullopt;
    list.push_back(item.as_string()->get());
  }
  return list;
}

std::string type_name(const toml::node& node) {
  std::ostringstream name;
  name << node.type();
  return name.str();
}

std::string place(const std::string& origin, const toml::source_region& region) {
  return fmt::format("{}:{}:{}", origin, region.begin.line, region.begin.column);
}

// For messages; unlike toml_literal it also knows inf and nan.
std::string shown_value(const FieldValue& value) {
  const auto* real = std::get_if<double>(&value);
  return real != nullptr ? fmt::format("{}", *real) : toml_literal(value);
}

[[noreturn]] void fail_type(const std::string& origin, const std::string& key,
                            const std::string& shown, const Field& field) {
  throw Error(ErrorKind::kUsage, origin, fmt::format("{} = {} has the wrong type", key, shown),
              "give " + field.expectation());
}

// "64k", "2Mi": digits and a suffix. None if it has another form or does not fit.
std::optional<int64_t> suffixed_integer(std::string_view text) {
  static constexpr std::pair<std::string_view, int64_t> kSuffixes[] = {
      {"k", 1000},       {"K", 1000},       {"M", 1000000},   {"G", 1000000000},
      {"Ki", 1LL << 10}, {"Mi", 1LL << 20}, {"Gi", 1LL << 30}};
  int64_t number = 0, product = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc{}) return std::nullopt;
  for (const auto& [suffix, factor] : kSuffixes)
    if (std::string_view(end, last) == suffix && !__builtin_mul_overflow(number, factor, &product))
      return product;
  return std::nullopt;
}

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    items.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

// The TOML text for what stands on a command line.
std::string toml_from_bare(const Field& field, std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == text.back() &&
                      (text.front() == '"' || text.front() == '\'');
  if ((field.is_text() && !quoted) || field.is_zero_word(text))
    return toml_literal(std::string(text));
  if (field.is_list() && !text.starts_with('[')) return toml_literal(split_commas(text));
  if (field.is_integer())
    if (const auto integer = suffixed_integer(text)) return std::to_string(*integer);
  return std::string(text);
}

FieldValue parse_bare(const Field& field, const std::string& key, std::string_view text,
                      const std::string& origin) {
  try {
    const toml::table table = toml::parse("value = " + toml_from_bare(field, text));
    // More than one entry: the text carried a line break and further assignments.
    if (table.size() == 1)
      if (const auto value = field_value(*table.get("value"))) return *value;
  } catch (const toml::parse_error&) {
    // Not TOML at all; the line below says what would be.
  }
  fail_type(origin, key, fmt::format("'{}'", text), field);
}

std::string environment_name(const std::string& key) {
  std::string name = "CLLM_" + key;
  for (char& c : name) {
    if (c == '.') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return name;
}

template <class Row>
std::vector<std::string> names_of(const std::vector<Row>& rows) {
  std::vector<std::string> names;
  for (const Row& row : rows) {
    if constexpr (std::is_same_v<Row, SettingsBinder::Entry>) {
      names.push_back(row.field.name());
    } else {
      names.push_back(row.name);
    }
  }
  return names;
}

}  // namespace

void SettingsBinder::add_fields(const std::string& section, const std::string& help,
                                std::vector<Field> fields) {
  CHECK_MSG(section.find('.') == std::string::npos, "section={}", section);
  Section added{section, help, {}};
  for (Field& field : fields) {
    const std::string key = section + "." + field.name();
    const auto twin = [&](const std::string& other) {
      return environment_name(other) == environment_name(key);
    };
    CHECK_MSG(std::ranges::none_of(keys(), twin), "setting {} exists twice", key);
    for (const Entry& entry : added.entries)
      CHECK_MSG(!twin(entry.key), "{} exists twice", key);
    added.entries.push_back({std::move(field), key});
  }
  sections_.push_back(std::move(added));
}

void SettingsBinder::apply_file(const std::string& path) {
  std::string text;
  try {
    text = read_file(path);
  } catch (const Error& error) {
    throw Error(ErrorKind::kUsage, "", error.what(), "");
  }
  apply_text(text, path, SettingSource::kFile);
}

void SettingsBinder::apply_text(std::string_view toml, const std::string& origin,
                                SettingSource source) {
  toml::table tables;
  try {
    tables = toml::parse(toml);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorKind::kUsage, place(origin, error.source()), std::string(error.description()),
                "the file must be TOML");
  }
  for (const auto& [name, node] : tables) {
    const std::string section(name.str());
    const std::string where = place(origin, name.source());
    if (!node.is_table()) fail_unknown(section, where);  // a key outside of every section
    const std::vector<std::string> sections = names_of(sections_);
    if (std::ranges::find(sections, section) == sections.end())
      throw Error(
          ErrorKind::kUsage, where, fmt::format("unknown section [{}]", section),
          did_you_mean(section, sections, fmt::format("sections: {}", fmt::join(sections, ", "))));
    for (const auto& [key, value] : *node.as_table()) {
      const std::string full = section + "." + std::string(key.str());
      const std::string here = place(origin, key.source());
      Entry& entry = find_or_throw(full, here);
      const std::optional<FieldValue> converted = field_value(value);
      if (!converted) fail_type(here, full, fmt::format("({})", type_name(value)), entry.field);
      store(entry, *converted, here, source);
    }
  }
}

void SettingsBinder::apply_assignment(std::string_view assignment) {
  const size_t equal = assignment.find('=');
  const std::string origin = fmt::format("--set {}", assignment);
  if (equal == std::string_view::npos)
    throw Error(ErrorKind::kUsage, origin, "there is no '='", "write --set section.key=value");
  set(assignment.substr(0, equal), assignment.substr(equal + 1), origin, SettingSource::kSet);
}

void SettingsBinder::apply_environment() {
  for (const Section& section : sections_) {
    const std::string prefix = environment_name(section.name) + "_";
    std::vector<std::string> names;  // of variables that mean this section
    for (char** variable = ::environ; *variable != nullptr; ++variable) {
      const std::string_view text(*variable);
      if (text.starts_with(prefix)) names.emplace_back(text.substr(0, text.find('=')));
    }
    for (const std::string& name : names) {
      std::string key = section.name + "." + name.substr(prefix.size());
      for (char& c : key)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      set(key, std::getenv(name.c_str()), name, SettingSource::kEnvironment);
    }
  }
}

void SettingsBinder::set(std::string_view key, std::string_view value, const std::string& origin,
                         SettingSource source) {
  Entry& entry = find_or_throw(std::string(key), origin);
  store(entry, parse_bare(entry.field, entry.key, value, origin), origin, source);
}

void SettingsBinder::store(Entry& entry, const FieldValue& value, const std::string& origin,
                           SettingSource source) {
  const Field::Outcome outcome = entry.field.test(value);
  const std::string shown = shown_value(value);
  if (outcome == Field::Outcome::kWrongType) fail_type(origin, entry.key, shown, entry.field);
  if (outcome == Field::Outcome::kOutOfRange) {
    std::string hint = "give " + entry.field.expectation();
    if (const auto* word = std::get_if<std::string>(&value))
      hint = did_you_mean(*word, entry.field.names(), hint);
    throw Error(ErrorKind::kUsage, origin, fmt::format("{} = {} is not possible", entry.key, shown),
                hint);
  }
  const bool command_line = source == SettingSource::kSet || source == SettingSource::kFlag;
  if (command_line && entry.source == source)
    throw Error(ErrorKind::kUsage, origin,
                fmt::format("{} was already given by {}", entry.key, entry.origin), "give it once");
  if (source < entry.source) return;
  CHECK(entry.field.assign(value) == Field::Outcome::kDone);
  entry.source = source;
  entry.origin = origin;
}

SettingsBinder::Entry* SettingsBinder::find(std::string_view key) {
  for (Section& section : sections_)
    for (Entry& entry : section.entries)
      if (entry.key == key) return &entry;
  return nullptr;
}

SettingsBinder::Entry& SettingsBinder::find_or_throw(const std::string& key,
                                                     const std::string& origin) {
  Entry* entry = find(key);
  if (entry == nullptr) fail_unknown(key, origin);
  return *entry;
}

void SettingsBinder::fail_unknown(const std::string& key, const std::string& origin) const {
  const std::string section = key.substr(0, key.find('.'));
  const std::string name = key.substr(key.rfind('.') + 1);
  std::string here;   // the settings of the section that was named
  std::string moved;  // the same name in another section
  for (const Section& candidate : sections_) {
    if (candidate.name == section)
      here = fmt::format("[{}] has: {}", section, fmt::join(names_of(candidate.entries), ", "));
    for (const Entry& entry : candidate.entries)
      if (entry.field.name() == name && moved.empty()) moved = entry.key;
  }
  const std::string hint =
      moved.empty() ? did_you_mean(key, keys(), here) : fmt::format("did you mean '{}'?", moved);
  throw Error(ErrorKind::kUsage, origin, fmt::format("unknown setting '{}'", key),
              hint.empty() ? "settings are written section.key" : hint);
}

const std::string& SettingsBinder::origin(std::string_view key) const {
  for (const Section& section : sections_)
    for (const Entry& entry : section.entries)
      if (entry.key == key) return entry.origin;
  check_failed(__FILE__, __LINE__, "setting exists", std::string(key));
}

std::vector<std::string> SettingsBinder::keys() const {
  std::vector<std::string> keys;
  for (const Section& section : sections_)
    for (const Entry& entry : section.entries)
      keys.push_back(entry.key);
  return keys;
}

}  // namespace cllm
