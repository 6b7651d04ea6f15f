// The grammar of the built-in corpus in compiled form, and the compiler from its tables
// (story_words.cc, story_plots*.cc). One structure serves the generator (story.cc) and the
// recogniser (story_grammar.cc).
//
// Words: "name(form,form):" opens a category; entries follow, separated by | or line ends. An entry
// has one part per form, separated by /; semicolons in the first part make several entries that
// share the other parts. "$X: name" declares a variable over a category.
//
// Beats: "== name" opens a beat; each following line is one alternative, indented lines continue
// it. It holds sentences and calls <beat> (always) or <beat?> (every second time).
//
// Both: [name] any entry of a category; [X] the entry that variable X has in this story; [x.form]
// another form of it; [^x] with a capital; (a|b|) one of these or nothing. "a" becomes "an" by
// itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/story_sentences.h"

namespace cllm::story {

struct Element {
  enum class Kind { kToken, kSymbol, kVariable };
  Kind kind;
  int id;    // index into tokens, symbols or variables
  int form;  // of a variable: index into its category's phrases
};
using Sequence = std::vector<Element>;

struct Token {
  TokenKind kind;
  std::string text;
};

// One of the alternatives is chosen afresh at every use.
struct Symbol {
  std::vector<Sequence> alternatives;
};

// Chosen once per story; two variables of one category never have the same entry.
struct Variable {
  std::string name;
  int category;
};

// phrases[form][entry] is a list of tokens. The second half of the forms is the first half
// capitalised.
struct Category {
  std::vector<std::vector<std::vector<int>>> phrases;
};

struct BeatItem {
  enum class Kind { kSentence, kBeat, kMaybeBeat };
  Kind kind;
  int id;  // index into sentences or beats
};

struct Beat {
  std::string name;
  std::vector<std::vector<BeatItem>> alternatives;
};

struct Rules {
  std::vector<Token> tokens;
  std::vector<Symbol> symbols;
  std::vector<Category> categories;
  std::vector<Variable> variables;
  std::vector<Sequence> sentences;
  std::vector<Beat> beats;
  int root;     // the beat named "story"
  int article;  // the token "a"
  int capital_article;
};

// Compiles tables; a mistake in them is our bug and fails a CHECK that quotes the line.
Rules compile_rules(std::string_view words, const std::vector<std::string_view>& plots);

// The grammar of the built-in corpus, compiled at the first call. Thread-safe.
const Rules& built_in_rules();

}  // namespace cllm::story
