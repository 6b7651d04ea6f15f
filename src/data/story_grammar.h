// The measure of the built-in corpus: the share of sentences of a text that the story grammar
// derives. A sentence is accepted if some sentence template produces it, with every slot filled
// from its list, the same variable filled the same way (so a name and its pronouns agree),
// different variables of one category filled differently, "a"/"an" right, and spaces and capitals
// as the generator sets them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cllm {

// sentence: one sentence without surrounding white space. Backtracking over the templates that can
// begin with its first word; some ten microseconds. Thread-safe.
bool accepts_sentence(std::string_view sentence);

struct GrammarScore {
  int64_t sentences = 0;
  int64_t accepted = 0;
  std::vector<std::string> first_rejected;  // at most 10, in the order of the text

  // accepted / sentences, in [0, 1]; 0 if there is no whole sentence, since nothing was shown to be
  // good.
  double share() const;
};

// Scores the sentences of split_sentences(text); one that the end of the text cuts off is not
// counted.
GrammarScore score_text(std::string_view text);

}  // namespace cllm
