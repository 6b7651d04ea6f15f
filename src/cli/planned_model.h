// The model that `cllm plan` speaks of: the one that a run with the same settings would train, as
// far as its texts, its tokenizer or its initial model are there to tell.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/log.h"
#include "model/transformer.h"
#include "train/settings.h"

namespace cllm::cli {

struct PlannedModel {
  std::unique_ptr<const Transformer> model;
  int64_t vocabulary_size = 0;
  std::string vocabulary_origin;  // where that comes from, for people
  std::string estimate;  // which figures of the model are no more than that, and why; "" if none is
};

// Completes settings.model (vocabulary, moduli, primes) as a run does. Texts are read, and
// tokenised, once at most, and only if something depends on them. Errors of make_corpus,
// make_prior, choose_embedding_codes and load_model_codes; Error (kUsage) for a prior without a
// text. A stop that was asked for ends the work with Interrupted (train/interrupted.h).
PlannedModel plan_model(RunSettings& settings, Log& log);

}  // namespace cllm::cli
