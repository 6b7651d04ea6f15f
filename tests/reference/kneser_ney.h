// Kneser-Ney smoothing from the definition: every count is a scan over the text. The truth for
// crystal/kneser_ney.h on tiny texts.
#pragma once

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "text/token.h"

namespace cllm::reference {

class KneserNey {
 public:
  using Gram = std::vector<Token>;

  // without: the place of a token whose occurrence does not count, -1 for none. Discounts are those
  // of the whole text.
  KneserNey(Gram text, int vocabulary, int order, int discounts, int64_t without = -1)
      : text_(std::move(text)),
        vocabulary_(vocabulary),
        order_(order),
        discounts_(discounts),
        without_(without) {}

  // p(token | context), context of at most order - 1 tokens.
  double probability(const Gram& context, Token token) const {
    const double shorter = context.empty()
                               ? 1.0 / vocabulary_
                               : probability(Gram(context.begin() + 1, context.end()), token);
    double total = 0, taken = 0, own = 0;
    for (Token w = 0; w < vocabulary_; ++w) {
      const int c = count(joined(context, w), without_);
      const double d = c > 0 ? discount(context.size() + 1, c) : 0;
      total += c;
      taken += d;
      if (w == token) own = c - d;
    }
    return total > 0 ? own / total + taken / total * shorter : shorter;
  }

  // What the order that a gram belongs to counts: its occurrences for the highest, else the
  // different tokens before it, the start of the text being one. Not those that end at `without`.
  int count(const Gram& gram, int64_t without = -1) const {
    int occurrences = 0;
    std::set<Token> before;
    for (size_t i = 0; i + gram.size() <= text_.size(); ++i)
      if (static_cast<int64_t>(i + gram.size()) - 1 != without &&
          std::equal(gram.begin(), gram.end(), text_.begin() + static_cast<std::ptrdiff_t>(i))) {
        ++occurrences;
        before.insert(i == 0 ? -1 : text_[i - 1]);
      }
    return static_cast<int>(gram.size()) == order_ ? occurrences : static_cast<int>(before.size());
  }

  // What is taken off the count of a gram of `length` tokens.
  double discount(size_t length, int count) const {
    double n[5] = {};
    std::set<Gram> grams;
    for (size_t i = 0; i + length <= text_.size(); ++i) {
      const auto first = text_.begin() + static_cast<std::ptrdiff_t>(i);
      grams.insert(Gram(first, first + static_cast<std::ptrdiff_t>(length)));
    }
    for (const Gram& gram : grams)
      if (const int c = this->count(gram); c <= 4) ++n[c];
    if (discounts_ == 1) return n[1] > 0 && n[2] > 0 ? n[1] / (n[1] + 2 * n[2]) : 0.75;
    const double fallback[] = {0, 0.5, 1, 1.5};
    const int i = std::min(count, 3);
    if (n[1] == 0 || n[2] == 0 || n[3] == 0 || n[4] == 0) return fallback[i];
    const double y = n[1] / (n[1] + 2 * n[2]);
    const double d[] = {0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2],
                        3 - 4 * y * n[4] / n[3]};
    const bool sound = d[1] > 0 && d[2] > 0 && d[3] > 0;
    return sound ? d[i] : fallback[i];
  }

 private:
  static Gram joined(Gram context, Token token) {
    context.push_back(token);
    return context;
  }

  Gram text_;
  int vocabulary_, order_, discounts_;
  int64_t without_;
};

}  // namespace cllm::reference
