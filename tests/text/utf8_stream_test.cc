#include "text/utf8_stream.h"

#include "text/text_test_files.h"
#include "text/utf8.h"

namespace cllm {
namespace {

TEST(Utf8Streamer, NeverSplitsACharacter) {
  const std::string text = "a\u00e9\u20ac\U0001F600z";
  Utf8Streamer streamer;
  std::string out;
  for (const char byte : text) {
    const std::string piece = streamer.push(std::string_view(&byte, 1));
    EXPECT_TRUE(piece.empty() || decode_utf8(piece, 0).bytes == piece.size());
    out += piece;
  }
  EXPECT_EQ(out, text);
  EXPECT_EQ(streamer.flush(), "");
}

TEST(Utf8Streamer, BrokenBytesBecomeReplacementCharacters) {
  Utf8Streamer streamer;
  EXPECT_EQ(streamer.push("a\xFF"), "a\uFFFD");
  EXPECT_EQ(streamer.push("\xE2\x82"), "");
  EXPECT_EQ(streamer.push("b"), "\uFFFDb");
  EXPECT_EQ(streamer.push("\xF0\x9F\x98"), "");
  EXPECT_EQ(streamer.flush(), "\uFFFD");
  EXPECT_EQ(streamer.push("c"), "c");
}

TEST(Utf8Streamer, OutputDoesNotDependOnTheCuts) {
  PhiloxSequence random(Philox(3, RandomStream::kTest), 0);
  for (int round = 0; round < 300; ++round) {
    std::string text = random_bytes(random, 40) + "\u20ac\U0001F600" + random_bytes(random, 5);
    Utf8Streamer whole, cut;
    std::string expected = whole.push(text);
    expected += whole.flush();
    std::string got;
    for (size_t at = 0; at < text.size();) {
      const size_t bytes = 1 + random.below(5);
      got += cut.push(std::string_view(text).substr(at, bytes));
      at += bytes;
    }
    got += cut.flush();
    ASSERT_EQ(got, expected);
    for (size_t at = 0; at < got.size();) {
      const Utf8Character character = decode_utf8(got, at);
      ASSERT_EQ(character.status, Utf8Status::kValid);
      at += character.bytes;
    }
  }
}

}  // namespace
}  // namespace cllm
