// UTF-8 decoding that never fails (an invalid byte is a value, not an exception) and the four
// character classes of the GPT-2 split. Validity is Table 3-7 of the Unicode standard; categories
// come from utf8proc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cllm {

enum class Utf8Status : uint8_t {
  kValid,
  kInvalid,     // no continuation can make these bytes a character
  kIncomplete,  // the text ends inside a character that could still become valid
};

struct Utf8Character {
  char32_t code_point = 0;  // U+FFFD unless kValid
  // Bytes consumed, >= 1. For kInvalid and kIncomplete: the longest prefix of a character found
  // there
  // ("maximal subpart", what one U+FFFD stands for).
  uint32_t bytes = 0;
  Utf8Status status = Utf8Status::kValid;
};

// The character that begins at text[at]; at < text.size(). O(1), thread-safe.
Utf8Character decode_utf8(std::string_view text, size_t at);

// Length of `text` without a character that the end of the text cuts (at most 3 bytes shorter).
// O(1).
size_t complete_utf8(std::string_view text);

// Appends a code point as UTF-8. It must be a scalar value (no surrogate, <= U+10FFFF).
void append_utf8(char32_t code_point, std::string& out);

bool is_scalar_value(char32_t code_point);

// kSpace is the Unicode property White_Space, the meaning of \s in the Rust regex and onig engines;
// kLetter is \p{L}, kNumber is \p{N}, kOther everything else.
enum class CharacterClass : uint8_t { kLetter, kNumber, kSpace, kOther };
CharacterClass character_class(char32_t code_point);

}  // namespace cllm
