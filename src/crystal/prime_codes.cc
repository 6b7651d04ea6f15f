#include "crystal/prime_codes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace cllm {

// Collects what the tokens are made of, then numbers it.
class PrimeCodes::Builder {
 public:
  explicit Builder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) { find_parts(); }

  // What divides a token's number if everything has a prime.
  std::vector<Meaning> parts_of(Token token) const {
    const std::string text(tokenizer_.bytes_of(token));
    if (text.empty()) return {Meaning{Kind::kWhole, "", token}};
    if (tokenizer_.kind() == TokenizerKind::kChar) return {Meaning{Kind::kSymbol, text, 0}};
    std::vector<Meaning> all;
    for (size_t i = 0; i < text.size(); ++i)
      all.push_back({Kind::kSymbol, text.substr(i, 1), static_cast<int64_t>(i)});
    std::map<Token, int64_t> before;
    add_merges(token, before, all);
    return all;
  }

 private:
  // The first merge that makes each token.
  void find_parts() {
    std::unordered_map<std::string, Token> tokens;
    for (Token token = 0; token < tokenizer_.vocabulary_size(); ++token)
      tokens.emplace(tokenizer_.bytes_of(token), token);
    for (const Merge& merge : tokenizer_.merges()) {
      std::string text(tokenizer_.bytes_of(merge.first));
      text += tokenizer_.bytes_of(merge.second);
      if (const auto found = tokens.find(text); found != tokens.end())
        merges_.emplace(found->second, merge);
    }
  }

  // The token and every part of it that a merge makes, from left to right.
  void add_merges(Token token, std::map<Token, int64_t>& before, std::vector<Meaning>& all) const {
    const auto found = merges_.find(token);
    if (found == merges_.end()) return;
    all.push_back({Kind::kMerge, std::string(tokenizer_.bytes_of(token)), before[token]++});
    add_merges(found->second.first, before, all);
    add_merges(found->second.second, before, all);
  }

  const Tokenizer& tokenizer_;
  std::unordered_map<Token, Merge> merges_;  // by the token that they make
};

PrimeCodes::PrimeCodes(const Tokenizer& tokenizer, int64_t most_primes) {
  const Builder builder(tokenizer);
  std::map<Meaning, int64_t> uses;  // in how many tokens
  for (Token token = 0; token < tokenizer.vocabulary_size(); ++token)
    for (Meaning& part : builder.parts_of(token))
      ++uses[std::move(part)];
  std::vector<std::pair<int64_t, Meaning>> symbols, merges;
  for (const auto& [meaning, count] : uses)
    if (meaning.kind != Kind::kMerge)
      symbols.emplace_back(-count, meaning);
    else if (count > 1)
      merges.emplace_back(-count, meaning);
  symbols_ = std::ssize(symbols);
  if (most_primes != 0 && symbols_ > most_primes)
    throw Error(ErrorKind::kUsage, "model.embedding_primes",
                fmt::format("{} are too few: the bytes of this vocabulary in their places need {}",
                            most_primes, symbols_),
                "give more, or 0 for just as many");
  std::ranges::sort(symbols);
  std::ranges::sort(merges);
  merges.resize(
      std::min(merges.size(), static_cast<size_t>(std::max(most_primes - symbols_, int64_t{0}))));
  std::map<Meaning, int32_t> primes;
  for (const auto* const list : {&symbols, &merges})
    for (const auto& [count, meaning] : *list) {
      primes.emplace(meaning, static_cast<int32_t>(meanings_.size()));
      meanings_.push_back(meaning);
    }
  for (Token token = 0; token < tokenizer.vocabulary_size(); ++token) {
    std::vector<int32_t>& own = factors_.emplace_back();
    for (const Meaning& part : builder.parts_of(token))
      if (const auto found = primes.find(part); found != primes.end()) own.push_back(found->second);
    std::ranges::sort(own);
  }
}

std::span<const int32_t> PrimeCodes::factors(Token token) const {
  CHECK_MSG(token >= 0 && token < tokens(), "token {} of {}", token, tokens());
  return factors_[static_cast<size_t>(token)];
}

number::Signature PrimeCodes::signature(Token token) const {
  number::Signature signature(meanings_.size());
  for (const int32_t prime : factors(token))
    signature.insert(static_cast<size_t>(prime));
  return signature;
}

std::string PrimeCodes::spell(const number::Signature& signature) const {
  const auto refuse = [](const char* what) {
    throw Error(ErrorKind::kData, "the number", what, "it is no token's");
  };
  if (signature.bits() != meanings_.size()) refuse("has other primes");
  std::map<int64_t, const Meaning*> places;
  bool whole = false;
  for (size_t prime = 0; prime < meanings_.size(); ++prime) {
    const Meaning& meaning = meanings_[prime];
    if (!signature.contains(prime) || meaning.kind == Kind::kMerge) continue;
    if (whole || (meaning.kind == Kind::kWhole && !places.empty()))
      refuse("mixes text with a token that has none");
    whole = meaning.kind == Kind::kWhole;
    if (!whole && !places.emplace(meaning.place, &meaning).second)
      refuse("has two symbols in one place");
  }
  if (places.empty() && !whole) refuse("has no symbol");
  std::string text;
  for (const auto& [place, meaning] : places) {
    if (place != std::ssize(text)) refuse("has a gap between its symbols");
    text += meaning->text;
  }
  return text;
}

}  // namespace cllm
