// Collects the characters of a text for a char tokenizer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace cllm {

// One pass, 136 KB whatever the size of the text. Not thread-safe.
class CharVocabularyBuilder {
 public:
  CharVocabularyBuilder();
  // Chunks may be cut anywhere. `name` is the file, for messages. Error (kData) with file, line and
  // byte at invalid UTF-8.
  void add(std::string_view chunk, const std::string& name = "");
  // The end of a file or stream: the next chunk begins a new one. Error (kData) if a character was
  // cut.
  void end_document();
  // Ends the document; Error (kData) if there was no character at all.
  Tokenizer build();

 private:
  std::vector<bool> seen_;  // by code point
  std::string held_;        // the beginning of a character that the last chunk cut
  TextPlace place_;         // of held_
};

}  // namespace cllm
