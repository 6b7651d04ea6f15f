#include "text/utf8_stream.h"

#include "text/utf8.h"

namespace cllm {

std::string Utf8Streamer::push(std::string_view bytes) {
  held_.append(bytes);
  std::string out;
  out.reserve(held_.size());
  size_t at = 0;
  while (at < held_.size()) {
    const Utf8Character character = decode_utf8(held_, at);
    if (character.status == Utf8Status::kIncomplete) break;
    append_utf8(character.code_point, out);
    at += character.bytes;
  }
  held_.erase(0, at);
  return out;
}

std::string Utf8Streamer::flush() {
  std::string out;
  if (!held_.empty()) append_utf8(0xFFFD, out);
  held_.clear();
  return out;
}

}  // namespace cllm
