#include "text/utf8.h"

#include <gtest/gtest.h>

namespace cllm {
namespace {

TEST(Utf8, EveryScalarValueRoundTrips) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (!is_scalar_value(c)) continue;
    std::string bytes;
    append_utf8(c, bytes);
    const Utf8Character got = decode_utf8(bytes, 0);
    ASSERT_EQ(got.status, Utf8Status::kValid) << static_cast<uint32_t>(c);
    ASSERT_EQ(got.code_point, c);
    ASSERT_EQ(got.bytes, bytes.size());
    ASSERT_EQ(complete_utf8(bytes), bytes.size());
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
      ASSERT_EQ(decode_utf8(bytes.substr(0, cut), 0).status, Utf8Status::kIncomplete);
      ASSERT_EQ(complete_utf8("a" + bytes.substr(0, cut)), 1u);
    }
  }
}

// Table 3-8 of the Unicode standard: how many bytes one replacement character stands for.
TEST(Utf8, InvalidBytesAreMaximalSubparts) {
  const auto bytes = [](std::string_view text) { return decode_utf8(text, 0).bytes; };
  const auto status = [](std::string_view text) { return decode_utf8(text, 0).status; };
  for (const std::string_view text :
       {"\xC0\xAF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\x80", "\xFF"}) {
    EXPECT_EQ(status(text), Utf8Status::kInvalid);
    EXPECT_EQ(bytes(text), 1u);
  }
  EXPECT_EQ(status("\xE1\x80\xE2"), Utf8Status::kInvalid);
  EXPECT_EQ(bytes("\xE1\x80\xE2"), 2u);
  EXPECT_EQ(bytes("\xF1\x80\x80\x41"), 3u);
  EXPECT_EQ(complete_utf8("a\x80"), 2u);
  EXPECT_EQ(complete_utf8(""), 0u);
}

TEST(Utf8, ClassesOfCharacters) {
  EXPECT_EQ(character_class('a'), CharacterClass::kLetter);
  EXPECT_EQ(character_class(0x4E00), CharacterClass::kLetter);  // Lo
  EXPECT_EQ(character_class(0x02B0), CharacterClass::kLetter);  // Lm
  EXPECT_EQ(character_class(0x00BD), CharacterClass::kNumber);  // No, one half
  EXPECT_EQ(character_class(0x2160), CharacterClass::kNumber);  // Nl, Roman one
  EXPECT_EQ(character_class(0x0301), CharacterClass::kOther);   // Mn
  EXPECT_EQ(character_class(0x1F600), CharacterClass::kOther);  // So
  EXPECT_EQ(character_class(0x200B), CharacterClass::kOther);  // zero width space is no White_Space
  EXPECT_EQ(character_class(0xFEFF), CharacterClass::kOther);
  EXPECT_EQ(character_class(0x180E), CharacterClass::kOther);
  for (const char32_t space :
       {0x09, 0x0B, 0x20, 0x85, 0xA0, 0x1680, 0x200A, 0x2028, 0x202F, 0x3000})
    EXPECT_EQ(character_class(space), CharacterClass::kSpace) << static_cast<uint32_t>(space);
}

}  // namespace
}  // namespace cllm
