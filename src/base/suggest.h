// "Did you mean": the nearest known word to a mistyped one, for settings, commands and flags.
// Distance: Damerau-Levenshtein in its optimal-string-alignment form (Damerau 1964; Boytsov 2011).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cllm {

// Fewest insertions, deletions, substitutions and swaps of neighbours that turn a into b. Letter
// case is ignored and '-' equals '_'. O(|a| |b|).
size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to word, first of equals; none if all are too far to be meant (more than a
// third of the word's letters, at least one). A word of three letters or more also finds a
// candidate that it begins.
std::optional<std::string> nearest_word(std::string_view word,
                                        const std::vector<std::string>& candidates);

// "did you mean 'x'?" or, if nothing is near, `otherwise`.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates,
                         const std::string& otherwise = {});

}  // namespace cllm
