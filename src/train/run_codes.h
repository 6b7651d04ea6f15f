// The codes of a run's composite embedding: made once, when it starts, and then read from wherever
// its weights come from.
#pragma once

#include <memory>
#include <optional>

#include "base/file.h"
#include "model/transformer.h"
#include "train/corpus.h"
#include "train/settings.h"

namespace cllm {

// Those in `checkpoint` if the run goes on from one, those of train.init if it begins with a model,
// else new ones for the corpus, whose number of primes is stored in the settings. Null if the
// embedding is not composite. Errors of load_model_codes and choose_embedding_codes.
std::shared_ptr<const nn::CodeTable> codes_of_run(
    RunSettings& settings, const Corpus& corpus,
    const std::optional<fs::path>& checkpoint = std::nullopt);

}  // namespace cllm
