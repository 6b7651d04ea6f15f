#include "text/byte_alphabet.h"

#include <gtest/gtest.h>

#include <set>

#include "text/utf8.h"

namespace cllm {
namespace {

TEST(ByteAlphabet, SpellsAsGpt2Does) {
  EXPECT_EQ(spell_bytes(" the"), "\u0120the");
  EXPECT_EQ(spell_bytes("\n\t"), "\u010A\u0109");
  EXPECT_EQ(spell_bytes("\u00e9"), "\u00c3\u00a9");
  EXPECT_EQ(spell_bytes("\xAD"), "\u0143");
  EXPECT_EQ(spell_bytes(std::string_view("\0", 1)), "\u0100");
}

TEST(ByteAlphabet, EveryByteHasItsOwnCharacter) {
  std::set<std::string> seen;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    const std::string spelling = spell_bytes(bytes);
    EXPECT_TRUE(seen.insert(spelling).second);
    EXPECT_EQ(decode_utf8(spelling, 0).bytes, spelling.size());
    EXPECT_EQ(unspell_bytes(spelling), bytes);
  }
}

TEST(ByteAlphabet, RefusesOtherCharacters) {
  EXPECT_EQ(unspell_bytes("a b"), std::nullopt);
  EXPECT_EQ(unspell_bytes("\u0144"), std::nullopt);
  EXPECT_EQ(unspell_bytes("\u4e00"), std::nullopt);
  EXPECT_EQ(unspell_bytes("\xFF"), std::nullopt);
  EXPECT_EQ(unspell_bytes(""), "");
}

}  // namespace
}  // namespace cllm
