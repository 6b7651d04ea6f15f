#include "data/story_sentences.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace cllm {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_letter(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}
bool is_terminal(char c) {
  return c == '.' || c == '!' || c == '?';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_space(text.back()))
    text.remove_suffix(1);
  return text;
}

// Whether the closing quotation mark at `at` ends its sentence. The bracket of a slot is
// transparent, so that grammar templates are split like the text they produce.
bool quote_ends_sentence(std::string_view line, size_t at) {
  if (at == 0 || !is_terminal(line[at - 1])) return false;
  size_t next = at + 1;
  if (next < line.size() && !is_space(line[next])) return false;
  while (next < line.size() && (is_space(line[next]) || line[next] == '[' || line[next] == '('))
    ++next;
  return next == line.size() || !is_lower(line[next]);
}

void split_line(std::string_view line, bool last_line, SplitText& out) {
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    bool ends = false;
    if (line[i] == '"') {
      ends = quoted && quote_ends_sentence(line, i) && !(last_line && i + 1 == line.size());
      quoted = !quoted;
    } else {
      ends = !quoted && is_terminal(line[i]) && (i + 1 == line.size() || is_space(line[i + 1]));
    }
    if (!ends) continue;
    out.sentences.push_back(trimmed(line.substr(begin, i + 1 - begin)));
    begin = i + 1;
  }
  const std::string_view rest = trimmed(line.substr(begin));
  if (last_line) {
    out.rest = rest;
  } else if (!rest.empty()) {
    out.sentences.push_back(rest);
  }
}

}  // namespace

SplitText split_sentences(std::string_view text) {
  SplitText out;
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', begin)) {
    split_line(trimmed(text.substr(begin, end - begin)), false, out);
    begin = end + 1;
  }
  split_line(trimmed(text.substr(begin)), true, out);
  return out;
}

std::vector<StoryToken> tokenize_sentence(std::string_view sentence) {
  std::vector<StoryToken> tokens;
  bool quoted = false;
  for (size_t i = 0; i < sentence.size();) {
    const size_t space = i;
    while (i < sentence.size() && is_space(sentence[i]))
      ++i;
    if (i == sentence.size()) break;
    const bool space_before = i > space;
    const size_t begin = i;
    auto joins = [&](size_t at) {
      return (sentence[at] == '\'' || sentence[at] == '-') && at + 1 < sentence.size() &&
             is_letter(sentence[at + 1]);
    };
    while (i < sentence.size() && (is_letter(sentence[i]) || (i > begin && joins(i))))
      ++i;
    TokenKind kind = TokenKind::kWord;
    if (i == begin) {
      kind = TokenKind::kPunctuation;
      if (sentence[i] == '"') {
        kind = quoted ? TokenKind::kCloseQuote : TokenKind::kOpenQuote;
        quoted = !quoted;
      }
      ++i;
    }
    tokens.push_back({kind, sentence.substr(begin, i - begin), space_before});
  }
  return tokens;
}

bool needs_space(TokenKind before, TokenKind after) {
  if (before == TokenKind::kOpenQuote) return false;
  return after == TokenKind::kWord || after == TokenKind::kOpenQuote;
}

bool takes_an(std::string_view word) {
  static constexpr std::array<std::string_view, 7> kLikeYou = {
      "one", "once", "unicorn", "uniform", "useful", "used", "ukulele"};
  static constexpr std::array<std::string_view, 3> kSilentH = {"hour", "honest", "honor"};
  if (word.empty()) return false;
  auto starts = [&](std::string_view prefix) { return word.substr(0, prefix.size()) == prefix; };
  if (std::any_of(kSilentH.begin(), kSilentH.end(), starts)) return true;
  if (std::find(kLikeYou.begin(), kLikeYou.end(), word) != kLikeYou.end()) return false;
  return std::string_view("aeiouAEIOU").find(word.front()) != std::string_view::npos;
}

std::string capitalized(std::string_view word) {
  std::string out(word);
  if (!out.empty() && is_lower(out[0])) out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

}  // namespace cllm
