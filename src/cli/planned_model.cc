#include "cli/planned_model.h"

#include <optional>

#include "base/error.h"
#include "cli/input.h"
#include "cli/signals.h"
#include "crystal/embedding_codes.h"
#include "crystal/ngram_moduli.h"
#include "model/model_folder.h"
#include "train/corpus.h"
#include "train/prior.h"
#include "train/run.h"

namespace cllm::cli {
namespace {

bool interrupted() {
  return stop_signal() != 0;
}

bool has_texts(const RunSettings& settings) {
  return settings.data.stories > 0 || !settings.data.train.empty();
}

// The text of the run, if a prior will be counted in it.
std::optional<Corpus> find_corpus(const RunSettings& settings, const fs::path& folder, Log& log) {
  if (settings.model.prior_order == 0) return std::nullopt;
  if (!has_texts(settings))
    throw Error(ErrorKind::kUsage, "model.prior_order", "is counted in the training text",
                "give --data PATH, or --data stories for the built-in corpus");
  return make_corpus(settings, folder, log, interrupted);
}

// Whether the vocabulary, or what its tokens are made of, is still to be found.
bool needs_tokenizer(const RunSettings& settings) {
  const bool codes = settings.model.embedding == nn::EmbeddingKind::kComposite;
  return settings.model.vocabulary_size == 0 || (codes && settings.train.init.empty());
}

std::optional<Tokenizer> find_tokenizer(const RunSettings& settings,
                                        const std::optional<Corpus>& corpus, const fs::path& folder,
                                        Log& log) {
  if (corpus) return corpus->tokenizer;
  if (!needs_tokenizer(settings)) return std::nullopt;
  if (!settings.tokenizer.path.empty()) return Tokenizer::load(settings.tokenizer.path);
  if (has_texts(settings)) return make_tokenizer(settings, folder, log, interrupted);
  if (settings.tokenizer.kind == TokenizerSettings::Kind::kByte) return Tokenizer::byte();
  return std::nullopt;
}

std::string origin_of(const RunSettings& settings, const std::optional<Tokenizer>& tokenizer) {
  if (settings.model.vocabulary_size > 0) return "model.vocabulary_size";
  if (!tokenizer) return "assumed: tokenizer.vocabulary_size, since there is no --data";
  if (!settings.tokenizer.path.empty()) return settings.tokenizer.path;
  if (!has_texts(settings)) return "byte vocabulary";
  return fmt::format("{} vocabulary of the texts", tokenizer_kind_name(tokenizer->kind()));
}

// Those of the run, but for which tokens are the most frequent.
std::shared_ptr<const nn::CodeTable> find_codes(RunSettings& settings,
                                                const std::optional<Tokenizer>& tokenizer,
                                                std::string& estimate) {
  ModelConfig& config = settings.model;
  if (!settings.train.init.empty()) return load_model_codes(settings.train.init, config);
  if (tokenizer) return choose_embedding_codes(config, *tokenizer, {});
  if (config.embedding == nn::EmbeddingKind::kComposite)
    estimate = fmt::format(
        "work and time, with {} primes for every token, since there is neither a text nor a "
        "tokenizer to factor; there may be fewer primes than model.embedding_primes",
        kStandInPieces);
  return stand_in_codes(config);
}

}  // namespace

PlannedModel plan_model(RunSettings& settings, Log& log) {
  const ScratchFolder scratch;
  const std::optional<Corpus> corpus = find_corpus(settings, scratch.path(), log);
  const std::optional<Tokenizer> tokenizer = find_tokenizer(settings, corpus, scratch.path(), log);
  PlannedModel planned;
  planned.vocabulary_origin = origin_of(settings, tokenizer);
  if (tokenizer)
    take_vocabulary(*tokenizer, settings.model);
  else if (settings.model.vocabulary_size == 0)
    settings.model.vocabulary_size = settings.tokenizer.vocabulary_size;
  planned.vocabulary_size = settings.model.vocabulary_size;
  choose_ngram_moduli(settings.model);
  const auto codes = find_codes(settings, tokenizer, planned.estimate);
  const auto prior = corpus ? make_prior(settings, corpus->train, log, interrupted) : nullptr;
  planned.model = std::make_unique<const Transformer>(settings.model, codes, prior);
  return planned;
}

}  // namespace cllm::cli
