// The pre-tokenizer of GPT-2, by hand over code points, for the regular expression
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// An invalid byte counts as one character of the third kind (neither space, letter nor number), so
// every byte sequence is cut into pieces whose concatenation is the input.
#pragma once

#include <cstddef>
#include <string_view>

namespace cllm {

// One past the last byte of the piece that begins at text[begin]; begin < text.size(). `begin` must
// be 0 or what a former call returned. O(length of the piece), thread-safe.
size_t gpt2_piece_end(std::string_view text, size_t begin);

// The largest p found such that cutting at p changes no piece whatever follows the text: the place
// before the last ASCII white space that comes after a character that is none. 0 if there is no
// such place. O(distance from the end).
size_t gpt2_safe_cut(std::string_view text);

}  // namespace cllm
