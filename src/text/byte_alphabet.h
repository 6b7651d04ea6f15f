// The byte-level alphabet of GPT-2: every byte is spelled as one printable character, so that a
// vocabulary of arbitrary bytes fits into JSON. Printable Latin-1 bytes spell themselves, the other
// 68 become U+0100 + i in order ("Language Models are Unsupervised Multitask Learners",
// encoder.py).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cllm {

// " the" -> "Ġthe". O(n), thread-safe.
std::string spell_bytes(std::string_view bytes);

// The inverse; nothing if a character is outside the alphabet or the text is not UTF-8.
std::optional<std::string> unspell_bytes(std::string_view spelling);

}  // namespace cllm
