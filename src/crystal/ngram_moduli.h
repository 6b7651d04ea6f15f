// The sizes of n-gram tables: primes, so that the number of an n-gram modulo one of them depends on
// all its tokens, and two different ones, so that by the Chinese remainder theorem the pair of rows
// tells all n-grams below their product apart.
#pragma once

#include "model/config.h"

namespace cllm {

// Sets the moduli that are 0 to the largest primes up to config.ngram_rows that differ and do not
// divide the vocabulary + 1; nothing if config.ngram_order is 0. The vocabulary must be known.
void choose_ngram_moduli(ModelConfig& config);

}  // namespace cllm
