#include "crystal/shortlist_queries.h"

#include <algorithm>

#include "base/check.h"
#include "crystal/shortlist_recall.h"

namespace cllm {
namespace {

constexpr int64_t kMostWindows = 32;

}  // namespace

HeadQueries make_head_queries(const Transformer& model, const float* weights,
                              std::span<const int32_t> text, int64_t wanted,
                              const ops::Context& context, const std::function<void()>& check) {
  CHECK(!text.empty());
  const int64_t length = std::ssize(text), C = model.config().width;
  const int64_t T = std::min(model.config().context_length, length);
  const int64_t windows = std::min(kMostWindows, wanted);
  Session session(model, context, {.B = 1, .T = T, .S = T});
  std::vector<float> rows;
  const nn::InputObserver observer = [&](int32_t parameter, int64_t N, int64_t in, auto x) {
    if (parameter != model.head().linear().weight_parameter()) return;
    const float* const from = x.template as<float>();
    rows.insert(rows.end(), from, from + N * in);
  };
  const std::vector<int32_t> targets(static_cast<size_t>(T), -1);
  HeadQueries queries;
  for (int64_t w = 0; w < windows; ++w) {
    const int64_t first = (length - T) * w / windows;
    const int64_t count = std::min(T, wanted * (w + 1) / windows - wanted * w / windows);
    rows.clear();
    session.evaluate({text.data() + first, targets.data(), 1, T}, weights, &observer);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = T * (i + 1) / count - 1;
      queries.hidden.insert(queries.hidden.end(), rows.begin() + row * C,
                            rows.begin() + (row + 1) * C);
      queries.tokens.push_back(text[static_cast<size_t>(first + row)]);
    }
    check();
  }
  return queries;
}

QueriedHead::QueriedHead(const Transformer& model, const ops::Context& context,
                         const DecodeWeights& weights, int64_t vocabulary,
                         const HeadQueries& queries)
    : weights_(weights),
      matrix_(weights.matrix(model.parameters().at(model.head().linear().weight_parameter()))),
      vocabulary_(vocabulary),
      queries_(queries),
      session_(model, context,
               {.B = 1, .T = 1, .S = model.config().context_length, .weights = weights.type()}),
      sampler_({}, vocabulary),
      C_(static_cast<size_t>(model.config().width)) {}

std::span<float> QueriedHead::logits(size_t query) {
  return session_.head_logits(hidden(query), weights_).first(static_cast<size_t>(vocabulary_));
}

void QueriedHead::choose(size_t query) {
  sampler_.next(logits(query), {});
}

void QueriedHead::choose(size_t query, std::span<const int32_t> candidates) {
  few_.resize(candidates.size());
  session_.candidate_logits(hidden(query), weights_, candidates, few_);
  sampler_.next(candidates, few_, {});
}

std::vector<std::vector<int32_t>> likeliest_of_queries(QueriedHead& head) {
  std::vector<std::vector<int32_t>> likeliest;
  for (size_t query = 0; query < head.queries(); ++query)
    likeliest.push_back(likeliest_tokens(head.logits(query), kRecallTops.back()));
  return likeliest;
}

std::array<double, kRecallTops.size()> mean_recalls(
    const std::vector<std::vector<int32_t>>& likeliest, const QueryCandidates& candidates) {
  std::array<double, kRecallTops.size()> means = {};
  for (size_t query = 0; query < likeliest.size(); ++query) {
    const std::span<const int32_t> all = likeliest[query];
    const std::vector<int32_t> chosen = candidates(query);
    for (size_t i = 0; i < kRecallTops.size(); ++i) {
      const size_t top = std::min(all.size(), static_cast<size_t>(kRecallTops[i]));
      means[i] += recall_of(chosen, all.first(top));
    }
  }
  for (double& mean : means)
    mean /= static_cast<double>(likeliest.size());
  return means;
}

}  // namespace cllm
