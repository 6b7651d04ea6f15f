// Text level of the built-in corpus: splitting a text into sentences, a sentence into tokens, and
// the choice between "a" and "an". The generator, the grammar compiler and the recogniser share
// these rules, so they cannot disagree about where a sentence ends.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cllm {

// A sentence ends at . ! or ? outside quotation marks, or at a quotation mark that closes after . !
// or ? unless a small letter follows ("Stop!" said Tom. is one sentence). White space must follow
// the end. A line break always ends a sentence, because the corpus has one story per line.
struct SplitText {
  std::vector<std::string_view> sentences;  // views into the text, without surrounding white space
  std::string_view rest;                    // what the end of the text cut off; not in sentences
};
// The last sentence is complete if it ends at . ! or ? outside quotation marks. A closing quotation
// mark at the very end of the text leaves it open whether "said Tom" was to come, so it counts as
// cut off.
SplitText split_sentences(std::string_view text);

enum class TokenKind { kWord, kPunctuation, kOpenQuote, kCloseQuote };

struct StoryToken {
  TokenKind kind;
  std::string_view text;  // a view into the sentence
  bool space_before;
};

// Words are letters with inner ' or -; everything else except white space is a token of one byte.
std::vector<StoryToken> tokenize_sentence(std::string_view sentence);

// Whether a space separates two neighbouring tokens in well-set text.
bool needs_space(TokenKind before, TokenKind after);

// True if the word is preceded by "an", false if by "a".
bool takes_an(std::string_view word);

// The word with its first letter in upper case (ASCII).
std::string capitalized(std::string_view word);

}  // namespace cllm
