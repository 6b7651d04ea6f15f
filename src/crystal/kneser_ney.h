// Kneser-Ney smoothing, interpolated, with one discount per order (Kneser & Ney, 1995) or three:
// the modified form of Chen & Goodman, "An empirical study of smoothing techniques for language
// modeling", 1998. The n-gram model that every neural result is printed beside; nothing is trained.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "crystal/ngram_counts.h"
#include "text/token.h"

namespace cllm {

enum class Discounting { kOne, kThree };

// What is taken off the counts 1, 2, and 3 or more of the n-grams of one order.
struct Discounts {
  std::array<double, 3> of;

  double operator()(uint32_t count) const { return of[count < 3 ? count - 1 : 2]; }
  // With n_i = how many n-grams have the count i, and Y = n1 / (n1 + 2 n2): kOne takes Y off every
  // count, kThree D_i = i - (i + 1) · Y · n_{i+1} / n_i. Tiny texts and small alphabets may have no
  // such estimate: where an n_i that it uses is 0, or a D_i is outside of (0, i], the discounts are
  // 0.75 for kOne, and 0.5, 1, 1.5 for kThree.
  static Discounts estimate(std::span<const uint32_t> counts, Discounting discounting);
};

// The text is one sequence: n-grams go across the ends of documents, which are tokens like others,
// as the neural models see them. Immutable, thread-safe.
class KneserNey {
 public:
  // The n-grams of one length.
  struct Level {
    Discounts discounts;
    std::vector<uint32_t> totals;  // by context: its counts together
    std::vector<double> backoff;   // by context: the share that goes to the shorter context
  };

  // counts must outlive it. Their number of levels is the order of the model; without any it is the
  // uniform distribution. One pass over the n-grams, 12 bytes per context.
  explicit KneserNey(const NgramCounts& counts, Discounting discounting = Discounting::kThree);

  // log p(token | history) in nats, always finite. Only the last order - 1 tokens matter; fewer are
  // a shorter context, not the start of a text. Over all tokens the probabilities sum to 1. Cost
  // O(order · log V).
  double log_probability(std::span<const Token> history, Token token) const;
  // out[i] = log p(sequence[i] | sequence[0, i)).
  void log_probabilities(std::span<const Token> sequence, std::span<double> out) const;

  // By length of the context, as counts().levels.
  const std::vector<Level>& levels() const { return levels_; }
  const NgramCounts& counts() const { return counts_; }

 private:
  const NgramCounts& counts_;
  std::vector<Level> levels_;
};

}  // namespace cllm
