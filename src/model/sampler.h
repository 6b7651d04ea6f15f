// Chooses the next token from logits: repetition penalty (Keskar et al. 2019), temperature, top-k,
// top-p (Holtzman et al. 2020), min-p (Nguyen et al. 2024), in that order, as llama.cpp and
// transformers apply them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/fields.h"
#include "base/philox.h"

namespace cllm {

struct SamplingOptions {
  double temperature = 0.8;         // 0 = greedy
  int64_t top_k = 40;               // 0 = all
  double top_p = 0.95;              // 1 = all
  double min_p = 0.05;              // share of the best token's probability; 0 = all
  double repetition_penalty = 1.0;  // > 1 makes tokens of the last repetition_window less likely
  int64_t repetition_window = 64;   // tokens
  int64_t seed = 0;

  void list(FieldList& fields);

  // Error (kUsage) unless the choice among all tokens is the choice among any `candidates` of them
  // that hold the likeliest: it must be greedy or of the top_k, and no penalty may lift others.
  void require_candidates(int64_t candidates) const;
};

// The draw of token number i depends on (seed, i) only. Not thread-safe (own buffers).
class Sampler {
 public:
  Sampler(const SamplingOptions& options, int64_t vocabulary_size);

  // history: all tokens before this one. logits [V] are overwritten. Ties go to the smaller id. A
  // NaN or an infinity among the logits is an Error (kDiverged).
  int32_t next(std::span<float> logits, std::span<const int32_t> history) {
    return next({}, logits, history);
  }
  // The same with the logits of a few tokens only: their ids, ascending. The token is the one that
  // all logits give if these hold the top_k likeliest (greedy: the likeliest), penalties applied.
  int32_t next(std::span<const int32_t> tokens, std::span<float> logits,
               std::span<const int32_t> history);

 private:
  struct Candidate {
    float logit;
    int32_t token;
  };
  void penalise(std::span<const int32_t> tokens, std::span<float> logits,
                std::span<const int32_t> history) const;
  size_t keep_candidates(std::span<const int32_t> tokens, std::span<const float> logits);

  SamplingOptions options_;
  Philox random_;
  uint64_t drawn_ = 0;
  std::vector<Candidate> candidates_;
  std::vector<double> probabilities_;
};

}  // namespace cllm
