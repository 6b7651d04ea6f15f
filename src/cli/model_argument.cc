#include "cli/model_argument.h"

#include "base/error.h"
#include "base/units.h"
#include "crystal/coded_matrix.h"
#include "crystal/ngram_prior_file.h"
#include "runlog/run_folder.h"
#include "train/checkpoint.h"

namespace cllm::cli {
namespace {

Tokenizer choose_tokenizer(const ModelArgument& argument, const fs::path& folder,
                           const LoadedModel& loaded) {
  if (argument.tokenizer.empty()) {
    if (loaded.tokenizer) return *loaded.tokenizer;
    throw Error(ErrorKind::kUsage, folder.string(), "has no tokenizer",
                "give one with --tokenizer PATH");
  }
  Tokenizer tokenizer = Tokenizer::load(argument.tokenizer);
  const int64_t V = loaded.model->config().vocabulary_size;
  if (tokenizer.vocabulary_size() > V)
    throw Error(ErrorKind::kData, argument.tokenizer,
                fmt::format("has {} tokens, the model only {}", tokenizer.vocabulary_size(), V),
                "give the tokenizer this model was trained with");
  return tokenizer;
}

}  // namespace

void ModelArgument::add_to(CLI::App& command) {
  command.add_option("RUN", run, "a run, a checkpoint, or a folder with a GPT-2 or Llama model")
      ->required();
  command
      .add_option("--tokenizer", tokenizer,
                  "the model's tokenizer, if its folder has none: tokenizer.json or a folder")
      ->type_name("PATH");
}

std::string ModelArgument::folder_beside(const std::string& suffix) const {
  fs::path folder = fs::path(run).lexically_normal();
  const fs::path last = folder.filename();
  if (last == "." || last == "..") folder = fs::absolute(folder).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  const fs::path steps = folder.parent_path(), owner = steps.parent_path();
  if (steps.filename() == "checkpoints" && RunFolder::is_run(owner))
    return fmt::format("{}-{}{}", owner.string(), folder.filename().string(), suffix);
  return folder.string() + suffix;
}

ModelInUse load_model_argument(const ModelArgument& argument, Log& log) {
  const fs::path folder = resolve_model_folder(argument.run, log);
  LoadedModel loaded = load_model(folder, coded_matrix_decoder(), read_ngram_prior);
  Tokenizer tokenizer = choose_tokenizer(argument, folder, loaded);
  log.info(fmt::format("{}: {} parameters, context {}, vocabulary {}", folder.string(),
                       format_count(static_cast<double>(loaded.model->parameters().count())),
                       loaded.model->config().context_length,
                       loaded.model->config().vocabulary_size));
  return {folder, std::move(loaded), std::move(tokenizer)};
}

}  // namespace cllm::cli
