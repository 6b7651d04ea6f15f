// The codes of a composite embedding (nn/code_table.h): which rows of its table a token's vector is
// the sum of. The rows are those of the primes (prime_codes.h), then one for each of the most
// frequent tokens, whose vector is that row alone.
#pragma once

#include <memory>
#include <span>

#include "model/config.h"
#include "text/tokenizer.h"

namespace cllm {

// Makes the codes of config, and stores how many primes they have in it if that was left at 0;
// null if the embedding is not composite. counts: how often each token occurs, for the rows of the
// most frequent ones; without it they are the first tokens. A pure function of its arguments.
// vocabulary_size is known; tokens beyond those of the tokenizer share a row. Error (kUsage) for
// too few primes, or if the result has no fewer rows than tokens.
std::shared_ptr<const nn::CodeTable> choose_embedding_codes(ModelConfig& config,
                                                            const Tokenizer& tokenizer,
                                                            std::span<const int64_t> counts);

// Primes of every token of stand_in_codes(): about the bytes of a token of English text.
inline constexpr int64_t kStandInPieces = 6;

// Codes of the size of config for those who have no tokenizer and need only a model of its cost:
// config.embedding_primes must be known. Null if the embedding is not composite.
std::shared_ptr<const nn::CodeTable> stand_in_codes(const ModelConfig& config);

}  // namespace cllm
