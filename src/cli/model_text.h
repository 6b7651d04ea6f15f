// Texts in the tokens of a model that is in use: that of the run it belongs to, or given ones.
#pragma once

#include <string>
#include <vector>

#include "cli/model_argument.h"
#include "train/corpus.h"

namespace cllm::cli {

// The text of the model's own run. Error (kUsage) if it belongs to none; missing, hint: what it
// then lacks, and what to do.
Corpus own_corpus(const ModelArgument& argument, const ModelInUse& model,
                  const std::string& missing, const std::string& hint);

// Texts as --data of `cllm train`, tokenised into memory, so that no folder is left by a process
// that ends at once. Interrupted (train/interrupted.h) if a stop is asked for; errors of
// make_corpus.
TokenDataset text_in_memory(const std::vector<std::string>& texts, const ModelArgument& argument,
                            const ModelInUse& model, Log& log);

}  // namespace cllm::cli
