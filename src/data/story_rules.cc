#include "data/story_rules.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "data/story_tables.h"

namespace cllm::story {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t end = text.find(separator); end != std::string_view::npos;
       end = text.find(separator)) {
    parts.push_back(trimmed(text.substr(0, end)));
    text.remove_prefix(end + 1);
  }
  parts.push_back(trimmed(text));
  return parts;
}

// Lines without comments and blank ones; a line that begins with a space belongs to the one before.
std::vector<std::string> logical_lines(std::string_view text, bool join) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (trimmed(line).empty() || line.front() == '#') continue;
    if (join && line.front() == ' ') {
      CHECK_MSG(!lines.empty(), "'{}' continues nothing", line);
      lines.back().append(" ").append(trimmed(line));
    } else {
      lines.emplace_back(line);
    }
  }
  return lines;
}

class Compiler {
 public:
  Rules compile(std::string_view words, const std::vector<std::string_view>& plots);

 private:
  // A category while the words are read: the text of entries [entry][form].
  struct Source {
    std::vector<std::string> forms;  // names; the first form has the name ""
    std::vector<std::vector<std::string>> entries;
    int category = -1;                   // once a variable ranges over it
    std::map<std::string, int> symbols;  // form name, "^" before it if capitalised
  };

  void read_words(std::string_view words);
  Source& open_category(std::string_view head);
  void read_entries(std::string_view line, Source& source);
  void read_beats(std::string_view plots);
  void read_alternative(std::string_view line, Beat& beat);
  int beat_id(std::string_view name);

  int token(TokenKind kind, std::string_view text);
  int form_index(const Source& source, std::string_view form) const;
  int category(Source& source);
  int symbol(std::string_view name, std::string_view form, bool capital);
  int capital_symbol(int id);
  void capitalize(Sequence& sequence);

  // Parses text_ from at_ up to a closing | or ) of the current group, or to the end.
  Sequence parse_sequence();
  Sequence parse_template(std::string_view text);
  Element parse_slot();
  Element parse_group();
  void parse_tokens(Sequence& out);

  Rules rules_{};
  std::map<std::pair<TokenKind, std::string>, int> token_ids_;
  std::map<std::string, Source, std::less<>> sources_;
  std::map<std::string, int, std::less<>> variable_ids_;
  std::map<std::string, int, std::less<>> beat_ids_;
  std::map<int, int> capital_symbols_;
  std::string_view text_;
  size_t at_ = 0;
  bool quoted_ = false;
};

Rules Compiler::compile(std::string_view words, const std::vector<std::string_view>& plots) {
  rules_.article = token(TokenKind::kWord, "a");
  rules_.capital_article = token(TokenKind::kWord, "A");
  read_words(words);
  for (const std::string_view plot : plots)
    read_beats(plot);
  for (const Beat& beat : rules_.beats)
    CHECK_MSG(!beat.alternatives.empty(), "beat '{}'", beat.name);
  CHECK(beat_ids_.count("story") == 1);
  rules_.root = beat_ids_["story"];
  return std::move(rules_);
}

void Compiler::read_words(std::string_view words) {
  Source* current = nullptr;
  for (const std::string& line : logical_lines(words, false)) {
    if (line.front() == ' ') {
      CHECK_MSG(current != nullptr, "'{}'", line);
      read_entries(line, *current);
      continue;
    }
    const size_t colon = line.find(':');
    CHECK_MSG(colon != std::string::npos, "'{}'", line);
    const std::string_view head = std::string_view(line).substr(0, colon);
    if (head.front() == '$') {
      const auto found = sources_.find(trimmed(std::string_view(line).substr(colon + 1)));
      CHECK_MSG(found != sources_.end(), "'{}'", line);
      variable_ids_[std::string(head.substr(1))] = static_cast<int>(rules_.variables.size());
      rules_.variables.push_back({std::string(head.substr(1)), category(found->second)});
      continue;
    }
    current = &open_category(head);
    const std::string_view entries = trimmed(std::string_view(line).substr(colon + 1));
    if (!entries.empty()) read_entries(entries, *current);
  }
}

Compiler::Source& Compiler::open_category(std::string_view head) {
  const size_t bracket = std::min(head.find('('), head.size());
  Source& source = sources_[std::string(head.substr(0, bracket))];
  CHECK_MSG(source.forms.empty(), "'{}' is defined twice", head);
  source.forms.push_back("");
  if (bracket == head.size()) return source;
  for (const std::string_view form :
       split(head.substr(bracket + 1, head.size() - bracket - 2), ',')) {
    source.forms.emplace_back(form);
  }
  return source;
}

void Compiler::read_entries(std::string_view line, Source& source) {
  // Groups (a|b) keep their bars: only bars outside brackets separate entries.
  std::vector<std::string> entries(1);
  int depth = 0;
  for (const char c : line) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == '|' && depth == 0) {
      entries.emplace_back();
    } else {
      entries.back().push_back(c);
    }
  }
  for (const std::string& entry : entries) {
    const auto parts = split(entry, '/');
    CHECK_MSG(parts.size() == source.forms.size() && !parts[0].empty(), "'{}'", entry);
    const bool shared = parts.size() > 1;
    for (const std::string_view first :
         shared ? split(parts[0], ';') : std::vector<std::string_view>{parts[0]}) {
      auto& forms = source.entries.emplace_back(parts.begin(), parts.end());
      forms[0] = std::string(first);
    }
  }
}

int Compiler::beat_id(std::string_view name) {
  const auto [position, is_new] =
      beat_ids_.try_emplace(std::string(name), static_cast<int>(rules_.beats.size()));
  if (is_new) rules_.beats.push_back({std::string(name), {}});
  return position->second;
}

void Compiler::read_beats(std::string_view plots) {
  int current = -1;
  for (const std::string& line : logical_lines(plots, true)) {
    if (line.substr(0, 3) == "== ") {
      current = beat_id(trimmed(std::string_view(line).substr(3)));
      CHECK_MSG(rules_.beats[current].alternatives.empty(), "'{}' is defined twice", line);
      continue;
    }
    CHECK_MSG(current >= 0, "'{}'", line);
    Beat beat;
    read_alternative(line, beat);
    rules_.beats[current].alternatives.push_back(std::move(beat.alternatives.front()));
  }
}

void Compiler::read_alternative(std::string_view line, Beat& beat) {
  auto& items = beat.alternatives.emplace_back();
  while (!line.empty()) {
    const size_t call = std::min(line.find('<'), line.size());
    // The line break makes the last sentence before a call complete.
    const std::string text = std::string(line.substr(0, call)) + "\n";
    for (const std::string_view sentence : split_sentences(text).sentences) {
      items.push_back({BeatItem::Kind::kSentence, static_cast<int>(rules_.sentences.size())});
      rules_.sentences.push_back(parse_template(sentence));
    }
    line.remove_prefix(call);
    if (line.empty()) break;
    const size_t end = line.find('>');
    CHECK_MSG(end != std::string_view::npos, "'{}'", line);
    std::string_view name = line.substr(1, end - 1);
    const bool maybe = name.back() == '?';
    if (maybe) name.remove_suffix(1);
    items.push_back({maybe ? BeatItem::Kind::kMaybeBeat : BeatItem::Kind::kBeat, beat_id(name)});
    line.remove_prefix(end + 1);
  }
}

int Compiler::token(TokenKind kind, std::string_view text) {
  if (text == "an" || text == "An") text = text.substr(0, 1);  // the next word decides
  const auto [position, is_new] =
      token_ids_.try_emplace({kind, std::string(text)}, static_cast<int>(rules_.tokens.size()));
  if (is_new) rules_.tokens.push_back({kind, std::string(text)});
  return position->second;
}

int Compiler::form_index(const Source& source, std::string_view form) const {
  for (size_t i = 0; i < source.forms.size(); ++i) {
    if (source.forms[i] == form) return static_cast<int>(i);
  }
  CHECK_MSG(false, "no form '{}' in '{}'", form, text_);
}

int Compiler::category(Source& source) {
  if (source.category >= 0) return source.category;
  source.category = static_cast<int>(rules_.categories.size());
  const size_t forms = source.forms.size();
  Category out;
  out.phrases.resize(2 * forms);
  for (const auto& entry : source.entries) {
    for (size_t form = 0; form < forms; ++form) {
      Sequence sequence = parse_template(entry[form]);
      for (const bool capital : {false, true}) {
        if (capital) capitalize(sequence);
        auto& phrase = out.phrases[form + (capital ? forms : 0)].emplace_back();
        for (const Element& element : sequence) {
          CHECK_MSG(element.kind == Element::Kind::kToken, "'{}' has a slot", entry[form]);
          phrase.push_back(element.id);
        }
      }
    }
  }
  rules_.categories.push_back(std::move(out));
  return source.category;
}

int Compiler::symbol(std::string_view name, std::string_view form, bool capital) {
  const auto found = sources_.find(name);
  CHECK_MSG(found != sources_.end(), "no category '{}' for '{}'", name, text_);
  Source& source = found->second;
  const auto [position, is_new] = source.symbols.try_emplace(std::string(form), -1);
  if (is_new) {
    const int index = form_index(source, form);
    Symbol out;
    for (const auto& entry : source.entries)
      out.alternatives.push_back(parse_template(entry[index]));
    CHECK_MSG(!out.alternatives.empty(), "category '{}' is empty", name);
    position->second = static_cast<int>(rules_.symbols.size());
    rules_.symbols.push_back(std::move(out));
  }
  return capital ? capital_symbol(position->second) : position->second;
}

int Compiler::capital_symbol(int id) {
  const auto found = capital_symbols_.find(id);
  if (found != capital_symbols_.end()) return found->second;
  Symbol copy = rules_.symbols[id];
  for (Sequence& sequence : copy.alternatives)
    capitalize(sequence);
  rules_.symbols.push_back(std::move(copy));
  return capital_symbols_[id] = static_cast<int>(rules_.symbols.size()) - 1;
}

void Compiler::capitalize(Sequence& sequence) {
  CHECK_MSG(!sequence.empty(), "nothing to capitalise in '{}'", text_);
  Element& first = sequence.front();
  if (first.kind == Element::Kind::kToken) {
    first.id = token(rules_.tokens[first.id].kind, capitalized(rules_.tokens[first.id].text));
  } else if (first.kind == Element::Kind::kSymbol) {
    first.id = capital_symbol(first.id);
  } else {
    const auto& phrases = rules_.categories[rules_.variables[first.id].category].phrases;
    const int forms = static_cast<int>(phrases.size() / 2);
    if (first.form < forms) first.form += forms;
  }
}

Sequence Compiler::parse_template(std::string_view text) {
  // Categories are parsed when a slot first needs them, in the middle of another template.
  const auto saved = std::tuple(text_, at_, quoted_);
  text_ = text;
  at_ = 0;
  quoted_ = false;
  Sequence out = parse_sequence();
  CHECK_MSG(at_ == text_.size() && !quoted_, "unbalanced '{}'", text_);
  std::tie(text_, at_, quoted_) = saved;
  return out;
}

Sequence Compiler::parse_sequence() {
  Sequence out;
  while (at_ < text_.size() && text_[at_] != '|' && text_[at_] != ')') {
    if (text_[at_] == '[') {
      out.push_back(parse_slot());
    } else if (text_[at_] == '(') {
      out.push_back(parse_group());
    } else {
      parse_tokens(out);
    }
  }
  return out;
}

void Compiler::parse_tokens(Sequence& out) {
  const size_t end = std::min(text_.find_first_of("[(|)", at_), text_.size());
  for (const StoryToken& part : tokenize_sentence(text_.substr(at_, end - at_))) {
    TokenKind kind = part.kind;
    if (kind == TokenKind::kOpenQuote || kind == TokenKind::kCloseQuote) {
      kind = quoted_ ? TokenKind::kCloseQuote : TokenKind::kOpenQuote;
      quoted_ = !quoted_;
    }
    out.push_back({Element::Kind::kToken, token(kind, part.text), 0});
  }
  at_ = end;
}

Element Compiler::parse_slot() {
  const size_t end = text_.find(']', at_);
  CHECK_MSG(end != std::string_view::npos, "'{}'", text_);
  std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
  at_ = end + 1;
  CHECK_MSG(!name.empty(), "'{}'", text_);
  const bool capital = name.front() == '^';
  if (capital) name.remove_prefix(1);
  const size_t dot = std::min(name.find('.'), name.size());
  const std::string_view form = dot == name.size() ? "" : name.substr(dot + 1);
  name = name.substr(0, dot);
  const auto variable = variable_ids_.find(name);
  if (variable == variable_ids_.end()) {
    return {Element::Kind::kSymbol, symbol(name, form, capital), 0};
  }
  const int category_id = rules_.variables[variable->second].category;
  for (const auto& [unused, source] : sources_) {
    if (source.category != category_id) continue;
    const int index =
        form_index(source, form) + (capital ? static_cast<int>(source.forms.size()) : 0);
    return {Element::Kind::kVariable, variable->second, index};
  }
  CHECK_MSG(false, "'{}'", text_);
}

Element Compiler::parse_group() {
  Symbol out;
  const bool quoted = quoted_;
  do {
    ++at_;
    out.alternatives.push_back(parse_sequence());
    CHECK_MSG(at_ < text_.size() && quoted_ == quoted, "open group in '{}'", text_);
  } while (text_[at_] == '|');
  ++at_;
  rules_.symbols.push_back(std::move(out));
  return {Element::Kind::kSymbol, static_cast<int>(rules_.symbols.size()) - 1, 0};
}

}  // namespace

Rules compile_rules(std::string_view words, const std::vector<std::string_view>& plots) {
  return Compiler().compile(words, plots);
}

const Rules& built_in_rules() {
  static const Rules rules = compile_rules(kWords, {kCommonBeats, kHomePlots, kOutdoorPlots});
  return rules;
}

}  // namespace cllm::story
