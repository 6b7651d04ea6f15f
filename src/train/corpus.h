// The text of a run: its tokenizer, and its tokens split into training and held-out parts. Made
// once into a folder of the run, opened again by resume.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "data/dataset.h"
#include "text/tokenizer.h"
#include "train/settings.h"

namespace cllm {

// Views refer to the datasets, which stay where they are when a Corpus is moved.
struct Corpus {
  Tokenizer tokenizer;
  std::unique_ptr<const TokenDataset> train_data;
  std::unique_ptr<const TokenDataset> validation_data;  // null: held out from the end of train_data
  TokenView train, validation;
};

// Builds or loads the tokenizer, tokenises the texts into folder/train and folder/validation, and
// splits them. `folder` exists and is empty. Standard input is kept in it as input.txt, the
// built-in corpus as stories-*.txt. Error (kData) for texts that are missing, empty or unreadable;
// kUsage for settings that do not go together. interrupted() is asked now and then; true ends the
// work with an Error (kRuntime).
Corpus make_corpus(const RunSettings& settings, const fs::path& folder, Log& log,
                   const std::function<bool()>& interrupted);

// Opens what make_corpus left in `folder`.
Corpus open_corpus(const RunSettings& settings, const fs::path& folder, const Tokenizer& tokenizer);

}  // namespace cllm
