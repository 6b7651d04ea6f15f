// BigFixed to decimal text and back.
#include <algorithm>

#include "base/error.h"
#include "number/big_fixed.h"
#include "number/big_fixed_steps.h"

namespace cllm::number {
namespace {

// digits * 10^exponent
struct Decimal {
  std::string digits;  // with their sign
  int64_t exponent = 0;
};

[[noreturn]] void not_a_number(std::string_view text) {
  constexpr size_t kShown = 20;
  std::string shown(text.substr(0, kShown));
  for (char& c : shown)
    if (c < ' ' || c > '~') c = '?';
  throw Error(ErrorKind::kData, "", fmt::format("'{}' is no decimal number", shown),
              "write it like -12.5 or 3e-7");
}

size_t digits_at(std::string_view text, size_t begin) {
  size_t end = begin;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9')
    ++end;
  return end - begin;
}

// The exponent behind 'e', which must end the text. Clamped far beyond every limit.
int64_t parse_exponent(std::string_view text, size_t at) {
  constexpr int64_t kClamp = int64_t{1} << 50;
  const bool negative = at < text.size() && text[at] == '-';
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  const size_t count = digits_at(text, at);
  if (count == 0 || at + count != text.size()) not_a_number(text);
  int64_t exponent = 0;
  for (; at < text.size(); ++at)
    exponent = std::min(10 * exponent + (text[at] - '0'), kClamp);
  return negative ? -exponent : exponent;
}

Decimal parse_decimal(std::string_view text) {
  Decimal decimal;
  size_t at = 0;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) at = 1;
  if (text.starts_with('-')) decimal.digits = "-";
  const size_t whole = digits_at(text, at);
  decimal.digits += text.substr(at, whole);
  at += whole;
  size_t behind = 0;
  if (at < text.size() && text[at] == '.') {
    behind = digits_at(text, ++at);
    decimal.digits += text.substr(at, behind);
    at += behind;
  }
  if (whole + behind == 0) not_a_number(text);
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') not_a_number(text);
    decimal.exponent = parse_exponent(text, at + 1);
  }
  decimal.exponent -= static_cast<int64_t>(behind);
  return decimal;
}

mpz_class power_of_ten(int64_t exponent) {
  mpz_class power;
  mpz_ui_pow_ui(power.get_mpz_t(), 10, static_cast<unsigned long>(exponent));
  return power;
}

}  // namespace

std::string BigFixed::to_string() const {
  mpz_class scaled;
  mpz_ui_pow_ui(scaled.get_mpz_t(), 5, count(fraction_bits_));
  scaled *= abs(mantissa_);
  std::string digits = scaled.get_str();
  const auto places = static_cast<size_t>(fraction_bits_);
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  std::string text = mantissa_ < 0 ? "-" : "";
  text.append(digits, 0, digits.size() - places);
  const size_t end = digits.find_last_not_of('0');
  if (end != std::string::npos && end >= digits.size() - places)
    text += "." + digits.substr(digits.size() - places, end + 1 - (digits.size() - places));
  return text;
}

BigFixed BigFixed::parse(std::string_view text, int64_t bits) {
  require_bits(bits);
  const Decimal decimal = parse_decimal(text);
  const auto length = static_cast<int64_t>(decimal.digits.size());
  require_size(length);  // a lower bound of what the digits take
  const mpz_class digits(decimal.digits, 10);
  if (digits == 0) return BigFixed(0, bits);
  // 10^3 < 2^10 and 10^-1 < 2^-3 bound the size of the result before it is computed.
  const auto significant = static_cast<int64_t>(mpz_sizeinbase(digits.get_mpz_t(), 10));
  const int64_t magnitude = significant + decimal.exponent;  // |value| < 10^magnitude
  if (magnitude > 0) require_size(3 * (magnitude - 2) + bits);
  if (3 * magnitude < -(bits + 2)) return BigFixed(0, bits);
  if (decimal.exponent >= 0)
    return BigFixed(shift_left(digits * power_of_ten(decimal.exponent), bits), bits);
  return BigFixed(nearest_quotient(shift_left(digits, bits), power_of_ten(-decimal.exponent)),
                  bits);
}

}  // namespace cllm::number
