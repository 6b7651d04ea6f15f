#include "base/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "base/check.h"

namespace cllm {
namespace {

template <class... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overload(Cases...) -> Overload<Cases...>;  // clang 14 does not deduce it by itself

std::string toml_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += fmt::format("\\u{:04X}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string toml_number(double value) {
  CHECK_MSG(std::isfinite(value), "value={}", value);
  std::string text = fmt::format("{}", value);
  // Without a point "-0" would come back as the integer 0 and lose its sign.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// The integer a number stands for; none if it has a fraction or doubles cannot count that far.
std::optional<int64_t> whole(double value) {
  constexpr double kLimit = 0x1.0p53;
  if (!(value >= -kLimit && value <= kLimit) || value != std::floor(value)) return std::nullopt;
  return static_cast<int64_t>(value);
}

template <class Number>
std::optional<Number> number_from(const FieldValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return static_cast<Number>(*integer);
  if (const auto* real = std::get_if<double>(&value)) {
    if constexpr (std::is_same_v<Number, int64_t>) return whole(*real);
    return static_cast<Number>(*real);
  }
  return std::nullopt;
}

}  // namespace

std::string toml_literal(const FieldValue& value) {
  return std::visit(Overload{[](bool truth) { return std::string(truth ? "true" : "false"); },
                             [](int64_t integer) { return std::to_string(integer); },
                             [](double real) { return toml_number(real); },
                             [](const std::string& word) { return toml_text(word); },
                             [](const std::vector<std::string>& list) {
                               std::string text = "[";
                               for (const std::string& item : list)
                                 text += (text.size() > 1 ? ", " : "") + toml_text(item);
                               return text + "]";
                             }},
                    value);
}

Field::Field(std::string name, Target target, FieldInfo info)
    : name_(std::move(name)),
      target_(std::move(target)),
      info_(std::move(info)),
      default_(value()) {
  CHECK_MSG(test(default_) == Outcome::kDone, "default of {} is not {}", name_, expectation());
}

FieldValue Field::value() const {
  return std::visit(Overload{[](const EnumAccess& access) -> FieldValue {
                               const size_t index = access.get();
                               CHECK_MSG(index < access.names.size(), "an enum value has no name");
                               return access.names[index];
                             },
                             [this](const double* number) -> FieldValue {
                               if (*number == 0 && !info_.zero_word.empty()) return info_.zero_word;
                               return *number;
                             },
                             [](const auto* pointer) -> FieldValue { return *pointer; }},
                    target_);
}

bool Field::in_range(double value) const {
  // Written so that NaN is outside.
  const bool high_enough = info_.above_minimum ? value > info_.minimum : value >= info_.minimum;
  const bool low_enough = info_.below_maximum ? value < info_.maximum : value <= info_.maximum;
  return high_enough && low_enough && std::isfinite(value);
}

Field::Outcome Field::test(const FieldValue& value) const {
  const auto range = [&](auto number) {
    if (!number) return Outcome::kWrongType;
    return in_range(static_cast<double>(*number)) ? Outcome::kDone : Outcome::kOutOfRange;
  };
  const auto type = [](bool right) { return right ? Outcome::kDone : Outcome::kWrongType; };
  return std::visit(
      Overload{
          [&](bool*) { return type(std::holds_alternative<bool>(value)); },
          [&](int64_t*) { return range(number_from<int64_t>(value)); },
          [&](double*) {
            const auto* word = std::get_if<std::string>(&value);
            if (word != nullptr && is_zero_word(*word)) return Outcome::kDone;
            return range(number_from<double>(value));
          },
          [&](std::string*) { return type(std::holds_alternative<std::string>(value)); },
          [&](std::vector<std::string>*) {
            return type(std::holds_alternative<std::vector<std::string>>(value));
          },
          [&](const EnumAccess& access) {
            const auto* word = std::get_if<std::string>(&value);
            if (word == nullptr) return Outcome::kWrongType;
            const bool known = std::ranges::find(access.names, *word) != access.names.end();
            return known ? Outcome::kDone : Outcome::kOutOfRange;
          },
      },
      target_);
}

Field::Outcome Field::assign(const FieldValue& value) {
  const Outcome outcome = test(value);
  if (outcome != Outcome::kDone) return outcome;
  std::visit(
      Overload{
          [&](int64_t* target) { *target = number_from<int64_t>(value).value(); },
          [&](double* target) { *target = number_from<double>(value).value_or(0); },
          [&](const EnumAccess& access) {
            const auto& names = access.names;
            const auto found = std::ranges::find(names, std::get<std::string>(value));
            access.set(static_cast<size_t>(found - names.begin()));
          },
          [&](auto* target) { *target = std::get<std::remove_pointer_t<decltype(target)>>(value); },
      },
      target_);
  return outcome;
}

bool Field::is_text() const {
  return std::holds_alternative<std::string*>(target_) ||
         std::holds_alternative<EnumAccess>(target_);
}

const std::vector<std::string>& Field::names() const {
  static const std::vector<std::string> kNone;
  const auto* access = std::get_if<EnumAccess>(&target_);
  return access != nullptr ? access->names : kNone;
}

std::string Field::expectation() const {
  const std::string type = std::visit(
      Overload{[](const bool*) { return std::string("true or false"); },
               [](const int64_t*) { return std::string("an integer"); },
               [](const double*) { return std::string("a number"); },
               [](const std::string*) { return std::string("a text"); },
               [](const std::vector<std::string>*) { return std::string("a list of texts"); },
               [](const EnumAccess& access) {
                 return fmt::format("one of {}", fmt::join(access.names, ", "));
               }},
      target_);
  std::string bounds;
  if (std::isfinite(info_.minimum))
    bounds = fmt::format(" {} {}", info_.above_minimum ? ">" : ">=", info_.minimum);
  if (std::isfinite(info_.maximum))
    bounds += fmt::format("{} {} {}", bounds.empty() ? "" : " and",
                          info_.below_maximum ? "<" : "<=", info_.maximum);
  return (info_.zero_word.empty() ? "" : info_.zero_word + " or ") + type + bounds;
}

void FieldList::add(std::string name, bool& value, FieldInfo info) {
  fields_.emplace_back(std::move(name), &value, std::move(info));
}
void FieldList::add(std::string name, int64_t& value, FieldInfo info) {
  fields_.emplace_back(std::move(name), &value, std::move(info));
}
void FieldList::add(std::string name, double& value, FieldInfo info) {
  fields_.emplace_back(std::move(name), &value, std::move(info));
}
void FieldList::add(std::string name, std::string& value, FieldInfo info) {
  fields_.emplace_back(std::move(name), &value, std::move(info));
}
void FieldList::add(std::string name, std::vector<std::string>& value, FieldInfo info) {
  fields_.emplace_back(std::move(name), &value, std::move(info));
}

}  // namespace cllm
