#include "crystal/embedding_codes.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "base/philox.h"
#include "crystal/prime_codes.h"

namespace cllm {
namespace {

using Codes = std::vector<std::vector<int32_t>>;

// How often a code is drawn again before it gets longer: there may be no other of its length.
constexpr int kDraws = 64;

bool is_composite(const ModelConfig& config) {
  return config.embedding == nn::EmbeddingKind::kComposite;
}

// Codes as long as the given ones, each the first set drawn that no token before has.
Codes random_codes(const Codes& like, int64_t primes) {
  PhiloxSequence source(Philox(0, RandomStream::kInit), 0);
  std::set<std::vector<int32_t>> taken;
  Codes codes;
  for (const std::vector<int32_t>& own : like) {
    const auto most = static_cast<size_t>(primes);
    size_t length = std::min(own.size(), most);
    std::set<int32_t> code;
    for (int draw = 1;; ++draw) {
      code.clear();
      while (code.size() < length)
        code.insert(static_cast<int32_t>(source.below(static_cast<uint64_t>(primes))));
      if (taken.emplace(code.begin(), code.end()).second || length == most) break;
      if (draw % kDraws == 0) ++length;
    }
    codes.emplace_back(code.begin(), code.end());
  }
  return codes;
}

// The most frequent tokens first, then by number.
std::vector<Token> by_frequency(int64_t V, std::span<const int64_t> counts) {
  std::vector<Token> tokens(static_cast<size_t>(V));
  std::iota(tokens.begin(), tokens.end(), 0);
  if (!counts.empty())
    std::ranges::stable_sort(tokens, std::greater<>(),
                             [&](Token token) { return counts[static_cast<size_t>(token)]; });
  return tokens;
}

std::shared_ptr<const nn::CodeTable> make_table(const ModelConfig& config, Codes codes,
                                                std::span<const int64_t> counts) {
  if (config.embedding_codes == EmbeddingCodes::kRandom)
    codes = random_codes(codes, config.embedding_primes);
  const std::vector<Token> frequent = by_frequency(config.vocabulary_size, counts);
  for (int64_t row = 0; row < config.embedding_dense_rows; ++row)
    codes[static_cast<size_t>(frequent[static_cast<size_t>(row)])] = {
        static_cast<int32_t>(config.embedding_primes + row)};
  std::vector<int32_t> offsets = {0}, pieces;
  for (const std::vector<int32_t>& own : codes) {
    pieces.insert(pieces.end(), own.begin(), own.end());
    offsets.push_back(static_cast<int32_t>(pieces.size()));
  }
  return std::make_shared<const nn::CodeTable>(config.code_rows(), std::move(offsets),
                                               std::move(pieces));
}

}  // namespace

std::shared_ptr<const nn::CodeTable> choose_embedding_codes(ModelConfig& config,
                                                            const Tokenizer& tokenizer,
                                                            std::span<const int64_t> counts) {
  if (!is_composite(config)) return nullptr;
  CHECK(counts.empty() || std::ssize(counts) == config.vocabulary_size);
  const bool padded = config.vocabulary_size > tokenizer.vocabulary_size();
  int64_t most = config.embedding_primes;
  if (padded && most > 0) --most;  // the last one is that of the tokens without meaning
  const PrimeCodes primes(tokenizer, most);
  config.embedding_primes = primes.primes() + (padded ? 1 : 0);
  config.validate();
  Codes codes;
  for (Token token = 0; token < tokenizer.vocabulary_size(); ++token) {
    const auto own = primes.factors(token);
    codes.emplace_back(own.begin(), own.end());
  }
  codes.resize(static_cast<size_t>(config.vocabulary_size),
               {static_cast<int32_t>(primes.primes())});
  return make_table(config, std::move(codes), counts);
}

std::shared_ptr<const nn::CodeTable> stand_in_codes(const ModelConfig& config) {
  if (!is_composite(config)) return nullptr;
  config.validate();
  if (config.embedding_primes < 1)
    throw Error(ErrorKind::kUsage, "model.embedding_primes",
                "how many primes there will be depends on the vocabulary",
                "give a number, or a text or tokenizer to count them");
  ModelConfig drawn = config;
  drawn.embedding_codes = EmbeddingCodes::kRandom;
  const Codes like(static_cast<size_t>(config.vocabulary_size),
                   std::vector<int32_t>(static_cast<size_t>(kStandInPieces)));
  return make_table(drawn, like, {});
}

}  // namespace cllm
