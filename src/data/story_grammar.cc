#include "data/story_grammar.h"

#include <algorithm>
#include <bitset>
#include <unordered_map>

#include "base/check.h"
#include "data/story_rules.h"
#include "data/story_sentences.h"

namespace cllm {
namespace {

using story::Category;
using story::Element;
using story::Rules;
using story::Sequence;

constexpr size_t kMostEntries = 128;  // of a category with variables
constexpr size_t kMostRejected = 10;
constexpr int kUnknown = -1;
// Entries a variable may still have after what has been read of the sentence.
using Candidates = std::bitset<kMostEntries>;

// All entries of a form that read the same, such as "he" for every boy.
struct Reading {
  std::vector<int> tokens;
  Candidates entries;
};

class Recognizer {
 public:
  explicit Recognizer(const Rules& rules);
  bool accepts(std::string_view sentence) const;

 private:
  // What is still to be read after the current element, innermost first.
  struct Frame {
    const Sequence* sequence;
    size_t next;
    const Frame* parent;
  };
  struct Search {
    std::vector<int> tokens;
    std::vector<Candidates> variables;
  };

  bool read(std::string_view sentence, std::vector<int>& tokens) const;
  int token_id(TokenKind kind, std::string_view text) const;
  bool match(Frame frame, size_t at, Search& search) const;
  bool match_variable(const Element& element, const Frame& frame, size_t at, Search& search) const;
  bool distinct(int variable, const Search& search) const;
  void collect_first(const Sequence& sequence, std::vector<bool>& first, bool& nullable) const;
  static std::vector<Reading> readings(const std::vector<std::vector<int>>& phrases);

  const Rules& rules_;
  std::unordered_map<std::string_view, int> token_ids_[4];   // one map per TokenKind
  std::vector<std::vector<std::vector<Reading>>> readings_;  // [category][form]
  std::vector<std::vector<int>> sentences_by_first_;         // [token] -> templates
};

Recognizer::Recognizer(const Rules& rules)
    : rules_(rules), sentences_by_first_(rules.tokens.size()) {
  for (size_t i = 0; i < rules.tokens.size(); ++i) {
    const story::Token& token = rules.tokens[i];
    token_ids_[static_cast<size_t>(token.kind)][token.text] = static_cast<int>(i);
  }
  for (const Category& category : rules.categories) {
    auto& forms = readings_.emplace_back();
    for (const auto& phrases : category.phrases)
      forms.push_back(readings(phrases));
  }
  for (size_t i = 0; i < rules.sentences.size(); ++i) {
    std::vector<bool> first(rules.tokens.size());
    bool nullable = false;
    collect_first(rules.sentences[i], first, nullable);
    CHECK(!nullable);
    for (size_t token = 0; token < first.size(); ++token) {
      if (first[token]) sentences_by_first_[token].push_back(static_cast<int>(i));
    }
  }
}

std::vector<Reading> Recognizer::readings(const std::vector<std::vector<int>>& phrases) {
  CHECK_MSG(phrases.size() <= kMostEntries, "{} entries", phrases.size());
  std::vector<Reading> out;
  for (size_t entry = 0; entry < phrases.size(); ++entry) {
    size_t i = 0;
    while (i < out.size() && out[i].tokens != phrases[entry])
      ++i;
    if (i == out.size()) out.push_back({phrases[entry], {}});
    out[i].entries.set(entry);
  }
  return out;
}

void Recognizer::collect_first(const Sequence& sequence, std::vector<bool>& first,
                               bool& nullable) const {
  for (const Element& element : sequence) {
    bool skip = false;
    if (element.kind == Element::Kind::kToken) {
      first[element.id] = true;
    } else if (element.kind == Element::Kind::kVariable) {
      const int category = rules_.variables[element.id].category;
      for (const Reading& reading : readings_[category][element.form])
        first[reading.tokens[0]] = true;
    } else {
      for (const Sequence& alternative : rules_.symbols[element.id].alternatives) {
        bool empty = false;
        collect_first(alternative, first, empty);
        skip = skip || empty;
      }
    }
    if (!skip) return;
  }
  nullable = true;
}

int Recognizer::token_id(TokenKind kind, std::string_view text) const {
  const auto& ids = token_ids_[static_cast<size_t>(kind)];
  const auto found = ids.find(text);
  return found == ids.end() ? kUnknown : found->second;
}

// Looks the tokens up; false if a word is unknown or a space or an article is wrong. "an" reads as
// "a".
bool Recognizer::read(std::string_view sentence, std::vector<int>& tokens) const {
  const std::vector<StoryToken> parts = tokenize_sentence(sentence);
  for (size_t i = 0; i < parts.size(); ++i) {
    std::string_view text = parts[i].text;
    const bool space = i > 0 && needs_space(parts[i - 1].kind, parts[i].kind);
    if (parts[i].space_before != space) return false;
    if (text == "a" || text == "A" || text == "an" || text == "An") {
      if (i + 1 == parts.size() || takes_an(parts[i + 1].text) != (text.size() == 2)) return false;
      text = text.substr(0, 1);
    }
    const int id = token_id(parts[i].kind, text);
    if (id == kUnknown) return false;
    tokens.push_back(id);
  }
  // One space between tokens: a longer gap would make the sentence longer than its tokens.
  size_t length = 0;
  for (const StoryToken& part : parts)
    length += part.text.size() + (part.space_before ? 1 : 0);
  return !tokens.empty() && length == sentence.size();
}

bool Recognizer::accepts(std::string_view sentence) const {
  Search search;
  if (!read(sentence, search.tokens)) return false;
  search.variables.resize(rules_.variables.size());
  for (const int id : sentences_by_first_[search.tokens[0]]) {
    for (Candidates& candidates : search.variables)
      candidates.set();
    if (match({&rules_.sentences[id], 0, nullptr}, 0, search)) return true;
  }
  return false;
}

bool Recognizer::match(Frame frame, size_t at, Search& search) const {
  for (;;) {
    while (frame.next == frame.sequence->size()) {
      if (frame.parent == nullptr) return at == search.tokens.size();
      frame = *frame.parent;
    }
    const Element& element = (*frame.sequence)[frame.next++];
    if (element.kind == Element::Kind::kSymbol) {
      for (const Sequence& alternative : rules_.symbols[element.id].alternatives) {
        if (match({&alternative, 0, &frame}, at, search)) return true;
      }
      return false;
    }
    if (element.kind == Element::Kind::kVariable) return match_variable(element, frame, at, search);
    if (at == search.tokens.size() || search.tokens[at] != element.id) return false;
    ++at;
  }
}

bool Recognizer::match_variable(const Element& element, const Frame& frame, size_t at,
                                Search& search) const {
  const Candidates before = search.variables[element.id];
  const int category = rules_.variables[element.id].category;
  for (const Reading& reading : readings_[category][element.form]) {
    const Candidates left = before & reading.entries;
    if (left.none() || search.tokens.size() - at < reading.tokens.size()) continue;
    if (!std::equal(reading.tokens.begin(), reading.tokens.end(), search.tokens.begin() + at))
      continue;
    search.variables[element.id] = left;
    if (distinct(element.id, search) && match(frame, at + reading.tokens.size(), search))
      return true;
  }
  search.variables[element.id] = before;
  return false;
}

bool Recognizer::distinct(int variable, const Search& search) const {
  const Candidates& mine = search.variables[variable];
  if (mine.count() != 1) return true;
  for (size_t other = 0; other < rules_.variables.size(); ++other) {
    if (static_cast<int>(other) == variable) continue;
    if (rules_.variables[other].category != rules_.variables[variable].category) continue;
    if (search.variables[other] == mine) return false;
  }
  return true;
}

const Recognizer& recognizer() {
  static const Recognizer instance(story::built_in_rules());
  return instance;
}

}  // namespace

bool accepts_sentence(std::string_view sentence) {
  return recognizer().accepts(sentence);
}

double GrammarScore::share() const {
  return sentences == 0 ? 0 : static_cast<double>(accepted) / static_cast<double>(sentences);
}

GrammarScore score_text(std::string_view text) {
  GrammarScore score;
  for (const std::string_view sentence : split_sentences(text).sentences) {
    ++score.sentences;
    if (accepts_sentence(sentence)) {
      ++score.accepted;
    } else if (score.first_rejected.size() < kMostRejected) {
      score.first_rejected.emplace_back(sentence);
    }
  }
  return score;
}

}  // namespace cllm
