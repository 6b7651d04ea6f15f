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
// built-in corpus as stories-{train,validation}.jsonl. Error (kData) for texts that are missing,
// empty or unreadable; kUsage for settings that do not go together. interrupted() is asked now and
// then; true ends the work with Interrupted (train/interrupted.h).
Corpus make_corpus(const RunSettings& settings, const fs::path& folder, Log& log,
                   const std::function<bool()>& interrupted);

// Moves what make_corpus made in `made` to `folder`, which may hold files of the user already. A
// Corpus that is open stays so. Error (kRuntime).
void place_corpus(AtomicFolder& made, const fs::path& folder);

// Only the tokenizer that make_corpus would build or load; `folder` and errors as there.
Tokenizer make_tokenizer(const RunSettings& settings, const fs::path& folder, Log& log,
                         const std::function<bool()>& interrupted);

// Token files and prepared folders are used where they are; a run that is resumed elsewhere must
// find them again.
void make_token_paths_absolute(DataSettings& data);

// Opens what make_corpus left in `folder`, and reads all of it once. Error (kData) if anything is
// damaged, was made with another tokenizer, or (token files) is not what it was.
Corpus open_corpus(const RunSettings& settings, const fs::path& folder, const Tokenizer& tokenizer);

}  // namespace cllm
