// What a shortlist is measured with: hidden states of a model on a text, asked of its output head
// one after the other, and how much of the likeliest tokens candidates hold (shortlist_recall.h).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/decode_weights.h"
#include "model/sampler.h"
#include "model/session.h"

namespace cllm {

// What the head reads after some of the tokens: hidden [queries, C], and those tokens.
struct HeadQueries {
  std::vector<float> hidden;
  std::vector<int32_t> tokens;
};

// `wanted` queries (fewer if the text is shorter) from up to 32 windows spread over the text, of
// each as many rows, evenly. weights: laid out by model.parameters(). check: called after each
// window; an exception from it ends the work. text: at least 1 token.
HeadQueries make_head_queries(const Transformer& model, const float* weights,
                              std::span<const int32_t> text, int64_t wanted,
                              const ops::Context& context, const std::function<void()>& check);

// The head of a model, which has rows and no prior, asked by those. Not thread-safe; what it is
// made of must outlive it. vocabulary: of the tokenizer.
class QueriedHead {
 public:
  QueriedHead(const Transformer& model, const ops::Context& context, const DecodeWeights& weights,
              int64_t vocabulary, const HeadQueries& queries);

  size_t queries() const { return queries_.tokens.size(); }
  int64_t vocabulary() const { return vocabulary_; }
  int32_t token(size_t query) const { return queries_.tokens[query]; }
  std::span<const float> hidden(size_t query) const {
    return std::span(queries_.hidden).subspan(query * C_, C_);
  }
  // The rows of the head.
  const ops::DecodeMatrix& matrix() const { return matrix_; }

  // Of the vocabulary, valid until the next call.
  std::span<float> logits(size_t query);
  // Draws the next token from all logits, or from those of the candidates, which ascend.
  void choose(size_t query);
  void choose(size_t query, std::span<const int32_t> candidates);

 private:
  const DecodeWeights& weights_;
  const ops::DecodeMatrix& matrix_;
  int64_t vocabulary_;
  const HeadQueries& queries_;
  Session session_;
  Sampler sampler_;
  size_t C_;
  std::vector<float> few_;
};

// How many of the likeliest tokens recalls are of.
inline constexpr std::array<int64_t, 2> kRecallTops = {1, 40};

// By query, the last of kRecallTops likeliest tokens.
std::vector<std::vector<int32_t>> likeliest_of_queries(QueriedHead& head);

// The ascending candidates of a query.
using QueryCandidates = std::function<std::vector<int32_t>(size_t)>;
// Mean over the queries, by kRecallTops.
std::array<double, kRecallTops.size()> mean_recalls(
    const std::vector<std::vector<int32_t>>& likeliest, const QueryCandidates& candidates);

}  // namespace cllm
