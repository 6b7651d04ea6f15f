// The n-gram baseline over the texts and windows that neural models are evaluated on.
#pragma once

#include <cstdint>
#include <vector>

#include "crystal/kneser_ney.h"
#include "data/dataset.h"
#include "train/evaluation.h"

namespace cllm {

// n-grams of a text, in memory (crystal/ngram_counts.h); errors as there.
NgramCounts count_ngrams(TokenView text, int64_t vocabulary_size, int order,
                         const LevelProgress& progress = {});

// Nats of the batch's targets that are not -1; each is appended to `losses` too. The history of a
// target is what stands before it in its own row, as for a neural model; so the first targets of a
// row have little.
double baseline_loss(const KneserNey& model, const Batch& batch, std::vector<float>& losses);

// The mean loss of a text's tokens from the second on, each with everything before it in the text
// as its history. token_bytes [V]: bytes of text per token. The view must have 2 tokens.
Evaluation evaluate_continuously(const KneserNey& model, TokenView text,
                                 const std::vector<int32_t>& token_bytes);

}  // namespace cllm
