#include "number/natural.h"

#include <charconv>
#include <limits>

#include "base/error.h"

namespace cllm::number {
namespace {

constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();

[[noreturn]] void refuse(std::string_view text, const std::string& where, const char* what) {
  constexpr size_t kShown = 24;
  std::string shown(text.substr(0, kShown));
  for (char& c : shown)
    if (c < ' ' || c > '~') c = '?';
  if (text.size() > kShown) shown += "...";
  throw Error(ErrorKind::kUsage, where, fmt::format("'{}' {}", shown, what),
              "give a whole number from 0 to 18446744073709551615, such as 1000 or 1e9");
}

}  // namespace

uint64_t parse_natural(std::string_view text, const std::string& where) {
  const char* const end = text.data() + text.size();
  uint64_t n = 0;
  const auto digits = std::from_chars(text.data(), end, n);
  if (digits.ec == std::errc::result_out_of_range) refuse(text, where, "is beyond 2^64 - 1");
  if (digits.ec != std::errc{}) refuse(text, where, "is no whole number");
  if (digits.ptr == end) return n;
  unsigned zeros = 0;
  const bool power = *digits.ptr == 'e' || *digits.ptr == 'E';
  const auto exponent = std::from_chars(digits.ptr + 1, end, zeros);
  if (!power || exponent.ec == std::errc::invalid_argument || exponent.ptr != end)
    refuse(text, where, "is no whole number");
  if (n == 0) return 0;
  if (exponent.ec != std::errc{}) refuse(text, where, "is beyond 2^64 - 1");
  for (; zeros > 0; --zeros) {
    if (n > kLast / 10) refuse(text, where, "is beyond 2^64 - 1");
    n *= 10;
  }
  return n;
}

}  // namespace cllm::number
