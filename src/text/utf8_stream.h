// Turns a stream of byte pieces (decoded tokens) into a stream of whole UTF-8 characters, so that a
// terminal or an HTTP client never sees half a character.
#pragma once

#include <string>
#include <string_view>

namespace cllm {

// Holds back at most 3 bytes. Bytes that cannot become a character are replaced by U+FFFD, one per
// maximal subpart, as soon as that is known: what comes out is always valid UTF-8, and does not
// depend on how the bytes were cut into pieces. Not thread-safe (one per stream).
class Utf8Streamer {
 public:
  // The characters that are complete after these bytes; may be empty.
  std::string push(std::string_view bytes);
  // The end of the stream: a character cut there comes out as U+FFFD. The streamer can then be
  // reused.
  std::string flush();

 private:
  std::string held_;
};

}  // namespace cllm
