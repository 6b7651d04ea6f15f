#include "lattice/text.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/memory.h"

namespace cllm::lattice {
namespace {

constexpr const char* kForm = "a matrix is written [[1 2][3 4]], a vector [1 2]";
// A number of a basis: the word's view, the integer and its limbs, the vectors that hold them.
constexpr int64_t kBytesPerNumber = 96;
constexpr long kLargestExponent = 10000;

Error format_error(const std::string& name, size_t line, const std::string& what,
                   const std::string& hint = kForm) {
  return Error(ErrorKind::kData, fmt::format("{}:{}", name, line), what, hint);
}

// A word as it may stand in a message: short, printable.
std::string shown(std::string_view word) {
  constexpr size_t kLongest = 24;
  std::string text;
  for (const char c : word.substr(0, kLongest))
    text += c > ' ' && c <= '~' ? c : '?';
  return text + (word.size() > kLongest ? "..." : "");
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  std::vector<TextValue> values() {
    std::vector<TextValue> found;
    while (skip_blanks()) {
      if (text_[position_] != '[')
        throw format_error(name_, line_, fmt::format("expected '[', found '{}'", shown(word())));
      found.push_back(value());
    }
    return found;
  }

 private:
  static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == '\v' || c == '\f';
  }

  // Whether anything follows.
  bool skip_blanks() {
    while (position_ < text_.size() && is_blank(text_[position_]))
      if (text_[position_++] == '\n') ++line_;
    return position_ < text_.size();
  }

  char next() {
    if (!skip_blanks()) throw format_error(name_, line_, "ends before its closing ']'");
    return text_[position_];
  }

  std::string_view word() {
    const size_t begin = position_;
    while (position_ < text_.size() && !is_blank(text_[position_]) && text_[position_] != '[' &&
           text_[position_] != ']')
      ++position_;
    return text_.substr(begin, position_ - begin);
  }

  TextValue value() {
    TextValue result{.line = line_};
    ++position_;
    if (next() != '[' && text_[position_] != ']') {
      result.rows.push_back(rest_of_row());
      return result;
    }
    result.is_matrix = true;
    while (next() != ']') {
      if (text_[position_] != '[')
        throw format_error(name_, line_,
                           fmt::format("expected a row '[', found '{}'", shown(word())));
      ++position_;
      result.rows.push_back(rest_of_row());
    }
    ++position_;
    return result;
  }

  // From behind its '[' to behind its ']'.
  TextRow rest_of_row() {
    TextRow result{.line = line_};
    while (next() != ']') {
      if (text_[position_] == '[') throw format_error(name_, line_, "a '[' inside a row");
      result.words.push_back(word());
      require_memory(++numbers_);
    }
    ++position_;
    return result;
  }

  void require_memory(int64_t numbers) const {
    constexpr int64_t kInterval = 1 << 20;
    if (numbers % kInterval != 0) return;
    const int64_t needed = numbers * kBytesPerNumber + static_cast<int64_t>(text_.size()) / 2;
    if (needed > available_memory())
      throw Error(ErrorKind::kMemory, name_,
                  fmt::format("its numbers need more than {} MiB of memory", needed >> 20),
                  "take a smaller lattice");
  }

  std::string_view text_;
  const std::string& name_;
  size_t position_ = 0, line_ = 1;
  int64_t numbers_ = 0;
};

bool all_digits(std::string_view word) {
  return !word.empty() && std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

bool parse_integer(std::string_view word, mpz_class& value) {
  std::string_view digits = word;
  if (digits.starts_with('-') || digits.starts_with('+')) digits.remove_prefix(1);
  if (!all_digits(digits)) return false;
  value.set_str(std::string(digits), 10);
  if (word.starts_with('-')) value = -value;
  return true;
}

mpz_class power_of_ten(long exponent) {
  mpz_class power;
  mpz_ui_pow_ui(power.get_mpz_t(), 10, static_cast<unsigned long>(exponent));
  return power;
}

// Digits with an optional fraction and exponent.
bool parse_decimal(std::string_view word, mpq_class& value) {
  long exponent = 0;
  if (const size_t at = word.find_first_of("eE"); at != std::string_view::npos) {
    std::string_view tail = word.substr(at + 1);
    if (tail.starts_with('+')) tail.remove_prefix(1);
    const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), exponent);
    if (error != std::errc{} || end != tail.data() + tail.size() || exponent > kLargestExponent ||
        exponent < -kLargestExponent)
      return false;
    word = word.substr(0, at);
  }
  std::string digits(word);
  if (const size_t point = word.find('.'); point != std::string_view::npos) {
    digits.erase(point, 1);
    exponent -= static_cast<long>(word.size() - point - 1);
  }
  mpz_class mantissa;
  if (!parse_integer(digits, mantissa)) return false;
  if (exponent >= 0)
    value = mantissa * power_of_ten(exponent);
  else
    value = mpq_class(mantissa, power_of_ten(-exponent));
  value.canonicalize();
  return true;
}

bool parse_rational(std::string_view word, mpq_class& value) {
  const size_t slash = word.find('/');
  if (slash == std::string_view::npos) return parse_decimal(word, value);
  mpz_class numerator, denominator;
  if (!parse_integer(word.substr(0, slash), numerator) || !all_digits(word.substr(slash + 1)) ||
      !parse_integer(word.substr(slash + 1), denominator) || denominator == 0)
    return false;
  value = mpq_class(numerator, denominator);
  value.canonicalize();
  return true;
}

void append_integers(const TextRow& row, const std::string& name, IntegerVector& out) {
  for (const std::string_view word : row.words) {
    mpz_class number;
    if (!parse_integer(word, number))
      throw format_error(name, row.line, fmt::format("'{}' is not an integer", shown(word)),
                         "a basis of fractions can be multiplied by their common denominator");
    out.push_back(std::move(number));
  }
}

RationalVector rationals(const TextRow& row, const std::string& name) {
  RationalVector vector(row.words.size());
  for (size_t j = 0; j < vector.size(); ++j)
    if (!parse_rational(row.words[j], vector[j]))
      throw format_error(name, row.line,
                         fmt::format("'{}' is not a finite number", shown(row.words[j])),
                         "numbers are written 12, -7, 3/4, 0.25 or 1e-3");
  return vector;
}

const TextRow& only_row(const TextValue& value, const std::string& name) {
  if (value.is_matrix) throw format_error(name, value.line, "expected a vector, found a matrix");
  return value.rows.front();
}

}  // namespace

std::vector<TextValue> parse_values(std::string_view text, const std::string& name) {
  return Reader(text, name).values();
}

IntegerMatrix integer_matrix(const TextValue& value, const std::string& name) {
  if (!value.is_matrix) throw format_error(name, value.line, "expected a matrix, found a vector");
  if (value.rows.empty() || value.rows.front().words.empty())
    throw format_error(name, value.line, "the matrix is empty");
  IntegerMatrix matrix;
  for (size_t i = 0; i < value.rows.size(); ++i) {
    IntegerVector row;
    append_integers(value.rows[i], name, row);
    if (i > 0 && row.size() != matrix.columns())
      throw format_error(
          name, value.rows[i].line,
          fmt::format("row {} has {} numbers, row 1 has {}", i + 1, row.size(), matrix.columns()),
          "all rows need the same length");
    matrix.append_row(row);
  }
  return matrix;
}

IntegerVector integer_vector(const TextValue& value, const std::string& name) {
  IntegerVector vector;
  append_integers(only_row(value, name), name, vector);
  return vector;
}

RationalVector rational_vector(const TextValue& value, const std::string& name) {
  return rationals(only_row(value, name), name);
}

std::vector<RationalVector> rational_rows(const TextValue& value, const std::string& name) {
  std::vector<RationalVector> rows;
  for (const TextRow& row : value.rows)
    rows.push_back(rationals(row, name));
  return rows;
}

IntegerMatrix parse_basis(std::string_view text, const std::string& name) {
  const std::vector<TextValue> values = parse_values(text, name);
  if (values.empty()) throw Error(ErrorKind::kData, name, "holds no matrix", kForm);
  if (values.size() > 1)
    throw format_error(name, values[1].line, "a second value after the basis",
                       "one basis is taken at a time");
  return integer_matrix(values.front(), name);
}

std::string format_vector(std::span<const mpz_class> vector) {
  std::string text = "[";
  for (size_t j = 0; j < vector.size(); ++j) {
    if (j > 0) text += ' ';
    text += vector[j].get_str();
  }
  return text + "]\n";
}

std::string format_matrix(const IntegerMatrix& matrix) {
  std::string text = "[";
  for (size_t i = 0; i < matrix.rows(); ++i)
    text += format_vector(matrix.row(i));
  if (matrix.rows() > 0) text.pop_back();
  return text + "]\n";
}

}  // namespace cllm::lattice
