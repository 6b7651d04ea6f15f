#include "train/choice_arm.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "crystal/shortlist_queries.h"
#include "crystal/shortlist_recall.h"
#include "train/token_text.h"

namespace cllm {
namespace {

constexpr int64_t kQueries = 256;
constexpr int kRounds = 5;  // odd, so that there is a middle one

using Vocabulary = TokenizerSettings::Kind;

[[noreturn]] void refuse_vocabulary(const std::string& where, const std::string& what) {
  throw Error(ErrorKind::kUsage, where, what,
              "choose tokenizer.kind = bpe and a larger tokenizer.vocabulary_size");
}

QueryCandidates candidates_of(const ChoiceArm& arm, const QueriedHead& head,
                              const ChoiceInputs& inputs) {
  const int64_t count = arm.options.candidates;
  switch (arm.by) {
    case ChoiceArm::By::kSignatures: {
      const auto shortlist = std::make_shared<Shortlist>(inputs.engine.context(), head.matrix(),
                                                         head.vocabulary(), arm.options);
      return [&head, shortlist](size_t query) {
        const std::span<const int32_t> tokens = shortlist->select(head.hidden(query));
        return std::vector<int32_t>(tokens.begin(), tokens.end());
      };
    }
    case ChoiceArm::By::kGcdOfIds:
      return [&head, count](size_t query) {
        return gcd_candidates(head.token(query), head.vocabulary(), count);
      };
    case ChoiceArm::By::kFirstIds:
      return [&head, count](size_t) { return first_candidates(head.vocabulary(), count); };
    case ChoiceArm::By::kHead:
      break;
  }
  return [&head](size_t) { return first_candidates(head.vocabulary(), head.vocabulary()); };
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Seconds per query.
double seconds_of(size_t queries, const std::function<void(size_t)>& choose) {
  const double start = steady_seconds();
  for (size_t query = 0; query < queries; ++query)
    choose(query);
  return (steady_seconds() - start) / static_cast<double>(queries);
}

void add_times(QueriedHead& head, const std::function<void(size_t)>& own,
               const ChoiceInputs& inputs, Figures& figures) {
  std::vector<double> seconds, shares;
  for (int round = 0; round < kRounds; ++round) {
    inputs.check_stop();
    const double whole = seconds_of(head.queries(), [&](size_t query) { head.choose(query); });
    seconds.push_back(seconds_of(head.queries(), own));
    shares.push_back(seconds.back() / whole);
  }
  figures[Quantity::kChoiceSeconds] = median(std::move(seconds));
  figures[Quantity::kChoiceShare] = median(std::move(shares));
}

}  // namespace

std::string description(const ChoiceArm& arm) {
  const int64_t count = arm.options.candidates;
  switch (arm.by) {
    case ChoiceArm::By::kSignatures:
      return fmt::format("{} candidates by {} sign bits, query of {} bit{}", count,
                         arm.options.bits, arm.options.query_bits,
                         arm.options.query_bits == 1 ? "" : "s");
    case ChoiceArm::By::kGcdOfIds:
      return fmt::format("{} candidates by the gcd of ids", count);
    case ChoiceArm::By::kFirstIds:
      return fmt::format("the first {} ids as candidates", count);
    case ChoiceArm::By::kHead:
      break;
  }
  return "the whole head";
}

void refuse_choice(const ChoiceArm& arm, const RunSettings& settings) {
  const ModelConfig& model = settings.model;
  if (model.prior_order > 0)
    throw Error(ErrorKind::kUsage, "model.prior_order",
                "adds to the logits of all tokens, so that none can be left out", "leave it at 0");
  if (model.tied_head && (model.embedding == nn::EmbeddingKind::kFactorised ||
                          model.embedding == nn::EmbeddingKind::kComposite))
    throw Error(ErrorKind::kUsage, "model.embedding",
                "the head tied to it has no row of its own for every token",
                "choose dense, or model.tied_head = false");
  if (arm.by == ChoiceArm::By::kHead || !settings.tokenizer.path.empty()) return;
  const int64_t count = arm.options.candidates;
  if (settings.tokenizer.kind != Vocabulary::kBpe)
    refuse_vocabulary("tokenizer.kind",
                      fmt::format("{} candidates are a choice only of more tokens", count));
  if (settings.tokenizer.vocabulary_size <= count)
    refuse_vocabulary("tokenizer.vocabulary_size",
                      fmt::format("{} candidates are all of {} tokens", count,
                                  settings.tokenizer.vocabulary_size));
}

Figures measure_choice(const ChoiceArm& arm, const ChoiceInputs& inputs) {
  const bool whole = arm.by == ChoiceArm::By::kHead;
  if (!whole && inputs.vocabulary <= arm.options.candidates)
    refuse_vocabulary("the text's vocabulary",
                      fmt::format("{} candidates are all of its {} tokens", arm.options.candidates,
                                  inputs.vocabulary));
  const HeadQueries queries =
      make_head_queries(inputs.model, inputs.weights, tokens_of(inputs.text), kQueries,
                        inputs.engine.context(), inputs.check_stop);
  DecodeWeights weights(inputs.model, inputs.weights);
  weights.refresh(inputs.engine.context());
  QueriedHead head(inputs.model, inputs.engine.context(), weights, inputs.vocabulary, queries);
  const QueryCandidates candidates = candidates_of(arm, head, inputs);
  const auto recalls = mean_recalls(likeliest_of_queries(head), candidates);
  Figures figures = {{Quantity::kRecall1, recalls[0]}, {Quantity::kRecall40, recalls[1]}};
  add_times(
      head,
      [&](size_t query) {
        if (whole)
          head.choose(query);
        else
          head.choose(query, candidates(query));
      },
      inputs, figures);
  return figures;
}

}  // namespace cllm
