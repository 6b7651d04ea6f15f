#include "text/utf8.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/check.h"

namespace cllm {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// What a lead byte promises: continuation bytes, and the range of the first of them, which is where
// overlong forms, surrogates and values above U+10FFFF are excluded.
struct Lead {
  uint32_t following;
  uint8_t low;
  uint8_t high;
};

Lead lead_of(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Character decode_utf8(std::string_view text, size_t at) {
  DCHECK(at < text.size());
  const auto first = static_cast<uint8_t>(text[at]);
  if (first < 0x80) return {first, 1, Utf8Status::kValid};
  const Lead lead = lead_of(first);
  if (lead.following == 0) return {kReplacement, 1, Utf8Status::kInvalid};
  char32_t value = first & (0x3Fu >> lead.following);
  for (uint32_t i = 1; i <= lead.following; ++i) {
    if (at + i >= text.size()) return {kReplacement, i, Utf8Status::kIncomplete};
    const auto byte = static_cast<uint8_t>(text[at + i]);
    const uint8_t low = i == 1 ? lead.low : 0x80;
    const uint8_t high = i == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) return {kReplacement, i, Utf8Status::kInvalid};
    value = (value << 6) | (byte & 0x3Fu);
  }
  return {value, lead.following + 1, Utf8Status::kValid};
}

size_t complete_utf8(std::string_view text) {
  const size_t farthest = std::min<size_t>(3, text.size());
  for (size_t back = 1; back <= farthest; ++back) {
    const size_t at = text.size() - back;
    if ((static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) continue;
    const Utf8Character character = decode_utf8(text, at);
    return character.status == Utf8Status::kIncomplete ? at : text.size();
  }
  return text.size();
}

bool is_scalar_value(char32_t code_point) {
  return code_point < 0xD800 || (code_point >= 0xE000 && code_point <= 0x10FFFF);
}

void append_utf8(char32_t code_point, std::string& out) {
  CHECK_MSG(is_scalar_value(code_point), "code point {:#x}", static_cast<uint32_t>(code_point));
  utf8proc_uint8_t bytes[4];
  const auto count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
}

CharacterClass character_class(char32_t c) {
  if ((c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
      (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
      c == 0x3000)
    return CharacterClass::kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharacterClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharacterClass::kNumber;
    default:
      return CharacterClass::kOther;
  }
}

}  // namespace cllm
