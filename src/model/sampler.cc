#include "model/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace cllm {
namespace {

// The token whose logit is number `index`; without ids they are those of all tokens.
int32_t token_at(std::span<const int32_t> tokens, size_t index) {
  return tokens.empty() ? static_cast<int32_t>(index) : tokens[index];
}

// The logit of a token; nullptr if it is not among them.
float* logit_of(std::span<const int32_t> tokens, std::span<float> logits, int32_t token) {
  if (tokens.empty()) return &logits[static_cast<size_t>(token)];
  const auto at = std::lower_bound(tokens.begin(), tokens.end(), token);
  if (at == tokens.end() || *at != token) return nullptr;
  return &logits[static_cast<size_t>(at - tokens.begin())];
}

}  // namespace

void SamplingOptions::list(FieldList& fields) {
  fields.add(
      "temperature", temperature,
      {.help = "flattens (> 1) or sharpens (< 1) the distribution; 0 = always the likeliest token",
       .minimum = 0,
       .maximum = 100});
  fields.add("top_k", top_k,
             {.help = "keep the k likeliest tokens; 0 = all", .unit = "tokens", .minimum = 0});
  fields.add("top_p", top_p,
             {.help = "keep the likeliest tokens that hold this share together; 1 = all",
              .minimum = 0,
              .maximum = 1,
              .above_minimum = true});
  fields.add(
      "min_p", min_p,
      {.help = "keep tokens with at least this share of the likeliest one's probability; 0 = all",
       .minimum = 0,
       .maximum = 1});
  fields.add("repetition_penalty", repetition_penalty,
             {.help = "divides the logits of recent tokens; 1 = off",
              .minimum = 0,
              .maximum = 100,
              .above_minimum = true});
  fields.add("repetition_window", repetition_window,
             {.help = "how many recent tokens the penalty sees", .unit = "tokens", .minimum = 0});
  fields.add("seed", seed, {.help = "seed of the draws", .minimum = 0});
}

void SamplingOptions::require_candidates(int64_t candidates) const {
  if (temperature > 0 && top_k == 0)
    throw Error(ErrorKind::kUsage, "sampling.top_k",
                "0 draws from all tokens, and a shortlist holds a few",
                "choose --top-k, or --temperature 0");
  if (temperature > 0 && top_k > candidates)
    throw Error(ErrorKind::kUsage, "sampling.top_k",
                fmt::format("{} tokens of a shortlist of {}", top_k, candidates),
                "choose a longer shortlist");
  if (repetition_penalty < 1)
    throw Error(
        ErrorKind::kUsage, "sampling.repetition_penalty",
        fmt::format("{} makes tokens likelier that a shortlist may lack", repetition_penalty),
        "choose at least 1");
}

Sampler::Sampler(const SamplingOptions& options, int64_t vocabulary_size)
    : options_(options), random_(static_cast<uint64_t>(options.seed), RandomStream::kSample) {
  candidates_.reserve(static_cast<size_t>(vocabulary_size));
  probabilities_.reserve(static_cast<size_t>(vocabulary_size));
}

void Sampler::penalise(std::span<const int32_t> tokens, std::span<float> logits,
                       std::span<const int32_t> history) const {
  if (options_.repetition_penalty == 1.0) return;
  const size_t window = std::min(history.size(), static_cast<size_t>(options_.repetition_window));
  const std::span<const int32_t> recent = history.last(window);
  for (size_t i = 0; i < recent.size(); ++i) {
    const int32_t token = recent[i];
    const auto earlier = recent.first(i);
    if (std::find(earlier.begin(), earlier.end(), token) != earlier.end())
      continue;  // once per token
    float* const logit = logit_of(tokens, logits, token);
    if (logit == nullptr) continue;
    const auto penalty = static_cast<float>(options_.repetition_penalty);
    *logit = *logit > 0 ? *logit / penalty : *logit * penalty;
  }
}

// Fills candidates_ with the tokens to draw from, likeliest first, and probabilities_ (not
// normalised); returns how many of them stay.
size_t Sampler::keep_candidates(std::span<const int32_t> tokens, std::span<const float> logits) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i)
    candidates_.push_back({logits[i], token_at(tokens, i)});
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  size_t kept = candidates_.size();
  if (options_.top_k > 0) kept = std::min(kept, static_cast<size_t>(options_.top_k));
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(kept),
                    candidates_.end(), likelier);

  probabilities_.clear();
  double total = 0;
  for (size_t i = 0; i < kept; ++i) {
    const double difference =
        static_cast<double>(candidates_[i].logit) - static_cast<double>(candidates_[0].logit);
    probabilities_.push_back(std::exp(difference / options_.temperature));
    total += probabilities_.back();
  }
  double sum = 0;
  for (size_t i = 0; i < kept; ++i) {
    const bool enough = i > 0 && sum >= options_.top_p * total;
    if (enough || probabilities_[i] < options_.min_p * probabilities_[0]) return i;
    sum += probabilities_[i];
  }
  return kept;
}

int32_t Sampler::next(std::span<const int32_t> tokens, std::span<float> logits,
                      std::span<const int32_t> history) {
  for (const float logit : logits)
    if (!std::isfinite(logit))
      throw Error(ErrorKind::kDiverged, "", "the model's logits are not finite numbers",
                  "use an earlier checkpoint");
  penalise(tokens, logits, history);
  const uint64_t draw = drawn_++;
  if (options_.temperature == 0)
    return token_at(tokens, static_cast<size_t>(std::max_element(logits.begin(), logits.end()) -
                                                logits.begin()));
  const size_t kept = std::max<size_t>(keep_candidates(tokens, logits), 1);
  double total = 0;
  for (size_t i = 0; i < kept; ++i)
    total += probabilities_[i];
  double target = random_.uniform(0, draw) * total;
  for (size_t i = 0; i + 1 < kept; ++i) {
    target -= probabilities_[i];
    if (target < 0) return candidates_[i].token;
  }
  return candidates_[kept - 1].token;
}

}  // namespace cllm
