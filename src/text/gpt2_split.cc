#include "text/gpt2_split.h"

#include <array>
#include <cstdint>

#include "base/check.h"
#include "text/utf8.h"

namespace cllm {
namespace {

constexpr bool is_ascii_space(int c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

constexpr CharacterClass ascii_class(int c) {
  if (is_ascii_space(c)) return CharacterClass::kSpace;
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return CharacterClass::kLetter;
  if (c >= '0' && c <= '9') return CharacterClass::kNumber;
  return CharacterClass::kOther;
}

constexpr std::array<CharacterClass, 128> make_ascii_classes() {
  std::array<CharacterClass, 128> classes{};
  for (int c = 0; c < 128; ++c)
    classes[static_cast<size_t>(c)] = ascii_class(c);
  return classes;
}

constexpr std::array<CharacterClass, 128> kAsciiClasses = make_ascii_classes();

struct Classified {
  CharacterClass kind;
  uint32_t bytes;
};

Classified classify(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  if (first < 0x80) return {kAsciiClasses[first], 1};
  const Utf8Character character = decode_utf8(text, at);
  if (character.status != Utf8Status::kValid) return {CharacterClass::kOther, character.bytes};
  return {character_class(character.code_point), character.bytes};
}

size_t contraction_bytes(std::string_view text, size_t at) {
  if (at + 1 >= text.size()) return 0;
  const char a = text[at + 1];
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  if (at + 2 >= text.size()) return 0;
  const char b = text[at + 2];
  const bool two = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
  return two ? 3 : 0;
}

// \s+(?!\S)|\s+ : a run of white space leaves its last character to what follows, unless nothing
// follows or the run is a single character.
size_t space_run_end(std::string_view text, size_t begin) {
  size_t last = begin;
  size_t at = begin;
  while (at < text.size()) {
    const Classified next = classify(text, at);
    if (next.kind != CharacterClass::kSpace) return last > begin ? last : at;
    last = at;
    at += next.bytes;
  }
  return at;
}

}  // namespace

size_t gpt2_piece_end(std::string_view text, size_t begin) {
  DCHECK(begin < text.size());
  if (text[begin] == '\'') {
    const size_t bytes = contraction_bytes(text, begin);
    if (bytes > 0) return begin + bytes;
  }
  size_t at = begin;
  if (text[at] == ' ' && at + 1 < text.size()) ++at;
  const Classified first = classify(text, at);
  if (first.kind == CharacterClass::kSpace) return space_run_end(text, begin);
  at += first.bytes;
  while (at < text.size()) {
    const Classified next = classify(text, at);
    if (next.kind != first.kind) break;
    at += next.bytes;
  }
  return at;
}

// No piece holds a character that is not white space followed by one that is, and only runs of
// white space look ahead.
size_t gpt2_safe_cut(std::string_view text) {
  for (size_t cut = text.size(); cut-- > 1;) {
    if (!is_ascii_space(static_cast<uint8_t>(text[cut]))) continue;
    size_t before = cut - 1;
    while (before > 0 && cut - before < 4 && (static_cast<uint8_t>(text[before]) & 0xC0) == 0x80)
      --before;
    if (classify(text, before).kind != CharacterClass::kSpace) return cut;
  }
  return 0;
}

}  // namespace cllm
