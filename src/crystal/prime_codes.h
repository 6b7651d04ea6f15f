// Tokens as squarefree numbers. The primes stand for symbols in their places: byte b as the i-th of
// a token has one prime wherever it occurs, so that a token is the product of its bytes' primes, a
// merge the product of its parts (the right one moved behind the left), and factoring gives the
// bytes back. The place makes every number squarefree, and no two tokens have the same. A character
// of a character vocabulary, and a token without text, is one symbol. Primes that are left over go
// to merges, tagged by how many of the same came before within the token: tokens that share a
// stem or an ending then share a prime of it.
//
// The gcd of two such numbers is what the tokens share; that of two token ids is nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "number/signature.h"
#include "text/tokenizer.h"

namespace cllm {

// Immutable; thread-safe.
class PrimeCodes {
 public:
  // most_primes: as many at most; 0 = only those of the symbols. The primes of the symbols come
  // first, the commonest first, then those of the merges, and every merge with a prime is part of
  // two tokens or more. Error (kUsage) if the symbols alone need more. O(bytes of the vocabulary).
  explicit PrimeCodes(const Tokenizer& tokenizer, int64_t most_primes = 0);

  // How many primes there are: at most most_primes, if that is not 0.
  int64_t primes() const { return std::ssize(meanings_); }
  // Those of symbols.
  int64_t symbols() const { return symbols_; }
  int64_t tokens() const { return std::ssize(factors_); }
  // Which primes divide the token's number, ascending: prime i is PrimeBase::prime(i).
  std::span<const int32_t> factors(Token token) const;
  number::Signature signature(Token token) const;

  // The text of the token with these primes, "" for a token without text. Error (kData) for a set
  // that is no token's: two symbols in one place, or a gap between places.
  std::string spell(const number::Signature& signature) const;

 private:
  enum class Kind { kSymbol, kWhole, kMerge };
  struct Meaning {
    Kind kind = Kind::kSymbol;
    std::string text;   // "" of kWhole
    int64_t place = 0;  // bytes before it; the token of kWhole; how many came before of kMerge
    auto operator<=>(const Meaning&) const = default;
  };
  class Builder;

  std::vector<Meaning> meanings_;  // by prime
  int64_t symbols_ = 0;
  std::vector<std::vector<int32_t>> factors_;  // by token
};

}  // namespace cllm
