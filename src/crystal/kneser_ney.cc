#include "crystal/kneser_ney.h"

#include <cmath>
#include <optional>
#include <utility>

#include "base/check.h"

namespace cllm {
namespace {

// Written so that NaN, which 0 / 0 gives, is outside.
bool in_range(double discount, double count) {
  return discount > 0 && discount <= count;
}

}  // namespace

Discounts Discounts::estimate(std::span<const uint32_t> counts, Discounting discounting) {
  std::array<double, 4> n{};
  for (const uint32_t count : counts)
    if (count <= n.size()) ++n[count - 1];
  const double share = n[0] / (n[0] + 2 * n[1]);
  if (discounting == Discounting::kOne) {
    const double discount = n[1] > 0 && in_range(share, 1) ? share : 0.75;
    return {{discount, discount, discount}};
  }
  Discounts result{};
  for (size_t i = 0; i < result.of.size(); ++i) {
    const auto count = static_cast<double>(i + 1);
    result.of[i] = count - (count + 1) * share * n[i + 1] / n[i];
    if (n[i + 1] == 0 || !in_range(result.of[i], count)) return {{0.5, 1.0, 1.5}};
  }
  return result;
}

KneserNey::KneserNey(const NgramCounts& counts, Discounting discounting) : counts_(counts) {
  for (const NgramLevel& ngrams : counts.levels) {
    Level level{Discounts::estimate(ngrams.counts, discounting), {}, {}};
    for (int64_t row = 0; row < ngrams.grams.rows(); ++row) {
      uint32_t total = 0;
      double discounted = 0;
      for (uint32_t i = ngrams.grams.begin[row]; i < ngrams.grams.begin[row + 1]; ++i) {
        total += ngrams.counts[i];
        discounted += level.discounts(ngrams.counts[i]);
      }
      level.totals.push_back(total);
      level.backoff.push_back(discounted / total);
    }
    levels_.push_back(std::move(level));
  }
}

double KneserNey::log_probability(std::span<const Token> history, Token token) const {
  CHECK_MSG(token >= 0 && token < counts_.vocabulary_size, "token {} of {}", token,
            counts_.vocabulary_size);
  double p = 1.0 / static_cast<double>(counts_.vocabulary_size);
  std::optional<uint32_t> context = 0;
  for (size_t length = 0; length < levels_.size() && length <= history.size(); ++length) {
    if (length > 0)
      context = counts_.levels[length - 1].longer.find(*context, history[history.size() - length]);
    if (!context) break;
    const Level& level = levels_[length];
    const NgramLevel& ngrams = counts_.levels[length];
    p *= level.backoff[*context];
    if (const auto gram = ngrams.grams.find(*context, token)) {
      const uint32_t count = ngrams.counts[*gram];
      p += (count - level.discounts(count)) / level.totals[*context];
    }
  }
  return std::log(p);
}

void KneserNey::log_probabilities(std::span<const Token> sequence, std::span<double> out) const {
  CHECK_EQ(sequence.size(), out.size());
  for (size_t i = 0; i < sequence.size(); ++i)
    out[i] = log_probability(sequence.first(i), sequence[i]);
}

}  // namespace cllm
