// The Kneser-Ney model (crystal/kneser_ney.h, the modified form) of a network's training text as
// what its logits are added to: p(token) ~ exp(network + ln p_KN), so that the network learns the
// residual that counts do not explain.
//
// On the training text the counts leave out the occurrence that is being predicted. A model that
// has counted the very token it predicts is too sure of it, and a network that trains beside it
// learns to trust it. Leaving one out is exact: the count of the longest n-gram is one less;
// where that was its only occurrence, the shorter n-gram has one left neighbour less, and so on
// down. Only the discounts stay those of the whole text; one occurrence would change them by less
// than one part in the number of n-grams.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "crystal/kneser_ney.h"
#include "model/logit_prior.h"

namespace cllm {

// Of 1 to 8 levels.
class NgramPrior : public LogitPrior {
 public:
  // text_hash: of the tokens that were counted, to know that text again. leaves_out: the text of
  // training is that text; if not, left_out is ignored, since it was not counted.
  NgramPrior(NgramCounts counts, uint64_t text_hash, bool leaves_out);

  int64_t vocabulary_size() const override { return counts_.vocabulary_size; }
  int64_t bytes() const override;
  // As KneserNey::log_probability of every token. Only the last order - 1 tokens of the history
  // matter. If there are fewer, the tokens before are unknown; leaving one out then takes one left
  // neighbour off the n-gram that is known, which is what happens if its longer n-grams occur once,
  // and otherwise leaves out a little too much, never too little. An n-gram that was not counted
  // has nothing to leave out. O(V) additions and one logarithm per successor of the last token; V
  // logarithms where the last two tokens occur together only here.
  void log_probabilities(std::span<const int32_t> history, int32_t left_out,
                         float* out) const override;
  // crystal/ngram_prior_file.h
  void save(const fs::path& folder) const override;

  const NgramCounts& counts() const { return counts_; }
  uint64_t text_hash() const { return text_hash_; }
  int64_t ngrams() const;

 private:
  const NgramCounts counts_;
  const KneserNey model_;
  uint64_t text_hash_;
  bool leaves_out_;
  std::vector<double> log_lowest_, lowest_;  // p(token) without a context
};

}  // namespace cllm
