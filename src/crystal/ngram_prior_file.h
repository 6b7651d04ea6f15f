// prior.safetensors beside a model's weights: the n-grams of a NgramPrior and their counts, which
// say much of the text they were counted in. Discounts and totals follow from them.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/file.h"
#include "crystal/ngram_counts.h"
#include "model/logit_prior.h"

namespace cllm {

class NgramPrior;

inline constexpr std::string_view kPriorFile = "prior.safetensors";

// Into an existing folder. 4 bytes per number. Error (kRuntime).
void write_prior_file(const NgramPrior& prior, const fs::path& folder);

struct StoredPrior {
  NgramCounts counts;
  uint64_t text_hash = 0;
};

// Checks all that a NgramPrior relies on. Error (kData) if the file is missing, damaged, or of
// another vocabulary or order than the configuration's.
StoredPrior read_prior_file(const fs::path& folder, const ModelConfig& config);

// The PriorReader of a model that is not trained on.
std::shared_ptr<const LogitPrior> read_ngram_prior(const fs::path& folder,
                                                   const ModelConfig& config);

}  // namespace cllm
