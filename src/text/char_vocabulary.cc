#include "text/char_vocabulary.h"

#include "base/error.h"
#include "text/utf8.h"

namespace cllm {
namespace {

constexpr size_t kCodePoints = 0x110000;

[[noreturn]] void fail(const TextPlace& place) {
  throw Error(ErrorKind::kData,
              place.name.empty() ? std::string() : fmt::format("{}:{}", place.name, place.line),
              fmt::format("invalid UTF-8 at byte {}", place.byte),
              "use a byte or bpe tokenizer, or convert the text to UTF-8");
}

}  // namespace

CharVocabularyBuilder::CharVocabularyBuilder() : seen_(kCodePoints) {}

void CharVocabularyBuilder::add(std::string_view chunk, const std::string& name) {
  place_.name = name;
  std::string joined;
  if (!held_.empty()) {
    joined = held_.append(chunk);
    chunk = joined;
  }
  size_t at = 0;
  while (at < chunk.size()) {
    const Utf8Character character = decode_utf8(chunk, at);
    if (character.status == Utf8Status::kIncomplete) break;
    if (character.status == Utf8Status::kInvalid) {
      place_.advance(chunk.substr(0, at));
      fail(place_);
    }
    seen_[character.code_point] = true;
    at += character.bytes;
  }
  place_.advance(chunk.substr(0, at));
  held_ = chunk.substr(at);
}

void CharVocabularyBuilder::end_document() {
  if (!held_.empty()) fail(place_);
  place_ = TextPlace();
}

Tokenizer CharVocabularyBuilder::build() {
  end_document();
  std::vector<char32_t> code_points;
  for (size_t i = 0; i < kCodePoints; ++i)
    if (seen_[i]) code_points.push_back(static_cast<char32_t>(i));
  return Tokenizer::from_characters(std::move(code_points));
}

}  // namespace cllm
