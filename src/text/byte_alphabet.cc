#include "text/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "text/utf8.h"

namespace cllm {
namespace {

constexpr int kAlphabetEnd = 0x100 + 68;

constexpr bool spells_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char16_t, 256> character_of_byte{};
  std::array<int16_t, kAlphabetEnd> byte_of_character{};
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (int16_t& byte : alphabet.byte_of_character)
    byte = -1;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const int character = spells_itself(byte) ? byte : next++;
    alphabet.character_of_byte[static_cast<size_t>(byte)] = static_cast<char16_t>(character);
    alphabet.byte_of_character[static_cast<size_t>(character)] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();
static_assert(kAlphabet.byte_of_character[kAlphabetEnd - 1] == 0xAD);

}  // namespace

std::string spell_bytes(std::string_view bytes) {
  std::string spelling;
  for (const char byte : bytes)
    append_utf8(kAlphabet.character_of_byte[static_cast<uint8_t>(byte)], spelling);
  return spelling;
}

std::optional<std::string> unspell_bytes(std::string_view spelling) {
  std::string bytes;
  for (size_t at = 0; at < spelling.size();) {
    const Utf8Character character = decode_utf8(spelling, at);
    const auto value = static_cast<uint32_t>(character.code_point);
    if (value >= kAlphabetEnd || kAlphabet.byte_of_character[value] < 0) return std::nullopt;
    bytes += static_cast<char>(kAlphabet.byte_of_character[value]);
    at += character.bytes;
  }
  return bytes;
}

}  // namespace cllm
