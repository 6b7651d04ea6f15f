// Fields: a settings struct lists its members once, and defaults, help, parsing, range checks,
// printing and the docs come from that list:
//
//   struct AdamSettings {
//     double beta1 = 0.9;
//     void list(FieldList& fields) {
//       fields.add("beta1", beta1, {.help = "decay of the first moment", .minimum = 0,
//                                   .maximum = 1, .below_maximum = true});
//     }
//   };
//
// A field refers to the member it describes; the struct must stay where it is while fields live.
// Files, flags and the rest of the world are bound to fields in base/settings.h.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cllm {

// A value on its way into or out of a field; an enum travels as its name.
using FieldValue = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

// The value as TOML text; reads back to the same value bit for bit (numbers must be finite).
std::string toml_literal(const FieldValue& value);

struct FieldInfo {
  std::string help = {};  // one sentence without full stop
  std::string unit = {};  // "tokens", "seconds", ...
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool above_minimum = false;  // the minimum itself is not allowed
  bool below_maximum = false;  // the maximum itself is not allowed
  std::string zero_word = {};  // a number's: the word that stands for 0, in range or not ("auto")
};

// One row of a table of names: constexpr EnumName<Color> kColorNames[] = {{Color::kRed, "red"}};
template <class Enum>
struct EnumName {
  Enum value;
  std::string_view name;
};

class Field {
 public:
  enum class Outcome { kDone, kWrongType, kOutOfRange };

  struct EnumAccess {
    std::vector<std::string> names;
    std::function<size_t()> get;  // index into names; names.size() if the value has no name
    std::function<void(size_t)> set;
  };
  using Target =
      std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*, EnumAccess>;

  // CHECKs that the current value, which becomes the default, is inside the range.
  Field(std::string name, Target target, FieldInfo info);

  const std::string& name() const { return name_; }
  const FieldInfo& info() const { return info_; }
  const FieldValue& default_value() const { return default_; }
  FieldValue value() const;

  // Stores the value if it has the right type and lies in the range, else changes nothing. An
  // integer serves as a number, and a number without fraction (1e9) as an integer.
  Outcome assign(const FieldValue& value);
  // Whether assign would store it.
  Outcome test(const FieldValue& value) const;

  bool is_text() const;  // text or enum: a bare word is a value
  bool is_zero_word(std::string_view word) const {
    return !word.empty() && word == info_.zero_word;
  }
  bool is_list() const { return std::holds_alternative<std::vector<std::string>*>(target_); }
  bool is_integer() const { return std::holds_alternative<int64_t*>(target_); }
  // The names of an enum; empty for every other type.
  const std::vector<std::string>& names() const;
  // What fits, in words: "an integer >= 1", "one of adamw, sgd".
  std::string expectation() const;

 private:
  bool in_range(double value) const;

  std::string name_;
  Target target_;
  FieldInfo info_;
  FieldValue default_;
};

class FieldList {
 public:
  void add(std::string name, bool& value, FieldInfo info);
  void add(std::string name, int64_t& value, FieldInfo info);
  void add(std::string name, double& value, FieldInfo info);
  void add(std::string name, std::string& value, FieldInfo info);
  void add(std::string name, std::vector<std::string>& value, FieldInfo info);

  template <class Enum, size_t N>
  void add(std::string name, Enum& value, const EnumName<Enum> (&table)[N], FieldInfo info) {
    static_assert(std::is_enum_v<Enum>);
    Field::EnumAccess access;
    std::vector<Enum> values;
    for (const EnumName<Enum>& row : table) {
      access.names.emplace_back(row.name);
      values.push_back(row.value);
    }
    access.get = [&value, values] {
      size_t index = 0;
      while (index < values.size() && values[index] != value)
        ++index;
      return index;
    };
    access.set = [&value, values](size_t index) { value = values.at(index); };
    fields_.emplace_back(std::move(name), std::move(access), std::move(info));
  }

  std::vector<Field>& fields() { return fields_; }

 private:
  std::vector<Field> fields_;
};

}  // namespace cllm
