#include "train/prior.h"

#include <utility>

#include "base/error.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/units.h"
#include "crystal/ngram_prior.h"
#include "crystal/ngram_prior_file.h"
#include "train/baseline.h"
#include "train/interrupted.h"
#include "train/token_text.h"

namespace cllm {
namespace {

// Bytes per token of the copy of the text and of the work of count_ngrams; the counts come on top,
// how many depends on the text.
constexpr int64_t kCountingBytes = sizeof(Token) + 24;

NgramCounts count(const ModelConfig& config, TokenView text, Log& log,
                  const std::function<bool()>& interrupted) {
  if (text.size() < config.prior_order)
    throw Error(ErrorKind::kData, "the training text",
                fmt::format("has {} tokens, and no n-gram of model.prior_order = {}", text.size(),
                            config.prior_order),
                "give more text, or leave model.prior_order at 0");
  require_available(
      "model.prior_order",
      fmt::format("counting {} tokens", format_count(static_cast<double>(text.size()))),
      kCountingBytes * text.size(), "give less text, or leave it at 0");
  const auto order = static_cast<int>(config.prior_order);
  Progress progress(log, "counting n-grams", 2 * order - 1);
  return count_ngrams(text, config.vocabulary_size, order, [&](int64_t done, int64_t) {
    if (interrupted && interrupted())
      throw Interrupted("interrupted while counting n-grams", "nothing was kept; start again");
    progress.update(done);
  });
}

}  // namespace

std::shared_ptr<const LogitPrior> make_prior(const RunSettings& settings, TokenView text, Log& log,
                                             const std::function<bool()>& interrupted) {
  const ModelConfig& config = settings.model;
  if (config.prior_order == 0) return nullptr;
  if (!settings.train.init.empty()) return open_prior(settings.train.init, config, text);
  auto prior = std::make_shared<const NgramPrior>(count(config, text, log, interrupted),
                                                  hash_of_tokens(text), true);
  log.info(fmt::format("the prior: {} n-grams of up to {} tokens, {}",
                       format_count(static_cast<double>(prior->ngrams())), config.prior_order,
                       format_bytes(static_cast<double>(prior->bytes()))));
  return prior;
}

std::shared_ptr<const LogitPrior> open_prior(const fs::path& folder, const ModelConfig& config,
                                             TokenView text) {
  if (config.prior_order == 0) return nullptr;
  StoredPrior stored = read_prior_file(folder, config);
  const bool leaves_out = stored.text_hash == hash_of_tokens(text);
  return std::make_shared<const NgramPrior>(std::move(stored.counts), stored.text_hash, leaves_out);
}

}  // namespace cllm
