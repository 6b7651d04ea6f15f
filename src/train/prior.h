// The prior of a run (model.prior_order): counted in its training text when it starts, and from
// then on that of its checkpoints.
#pragma once

#include <functional>
#include <memory>

#include "base/log.h"
#include "data/dataset.h"
#include "model/logit_prior.h"
#include "train/settings.h"

namespace cllm {

// Of a run that starts: the n-grams of `text`, or with train.init those of that model; null if
// model.prior_order is 0. model.vocabulary_size must be known. Error (kData) for a text that is
// shorter than the n-grams, and as open_prior. interrupted() is asked now and then; true ends the
// work with Interrupted (train/interrupted.h).
std::shared_ptr<const LogitPrior> make_prior(const RunSettings& settings, TokenView text, Log& log,
                                             const std::function<bool()>& interrupted);

// That of the model in a folder, for training on `text`: if it was counted in that very text, what
// is being predicted is left out of the counts. Null if config.prior_order is 0. Error (kData).
std::shared_ptr<const LogitPrior> open_prior(const fs::path& folder, const ModelConfig& config,
                                             TokenView text);

}  // namespace cllm
