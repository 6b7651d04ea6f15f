#include "cli/model_text.h"

#include <optional>

#include "base/error.h"
#include "cli/input.h"
#include "cli/settings_options.h"
#include "cli/signals.h"
#include "train/run.h"

namespace cllm::cli {
namespace {

// The run that a checkpoint folder belongs to.
std::optional<RunFolder> run_of(const fs::path& argument, const fs::path& checkpoint) {
  for (const fs::path& path : {argument, fs::canonical(checkpoint).parent_path().parent_path()})
    if (RunFolder::is_run(path)) return RunFolder::open(path);
  return std::nullopt;
}

}  // namespace

Corpus own_corpus(const ModelArgument& argument, const ModelInUse& model,
                  const std::string& missing, const std::string& hint) {
  const std::optional<RunFolder> run = run_of(argument.run, model.folder);
  if (!run)
    throw Error(ErrorKind::kUsage, argument.run, fmt::format("is no run, so it has no {}", missing),
                hint);
  return open_corpus(stored_run_settings(*run), run->data(), model.tokenizer);
}

TokenDataset text_in_memory(const std::vector<std::string>& texts, const ModelArgument& argument,
                            const ModelInUse& model, Log& log) {
  RunSettings settings;
  settings.tokenizer.path = argument.tokenizer.empty() ? model.folder.string() : argument.tokenizer;
  apply_data(texts, settings);
  settings.data.validation_fraction = 0;
  const ScratchFolder scratch;
  const Corpus corpus =
      make_corpus(settings, scratch.path(), log, [] { return stop_signal() != 0; });
  std::vector<Token> tokens(static_cast<size_t>(corpus.train.size()));
  corpus.train.copy(0, corpus.train.size(), tokens.data());
  return TokenDataset::from_tokens(std::move(tokens), model.tokenizer.vocabulary_size());
}

}  // namespace cllm::cli
