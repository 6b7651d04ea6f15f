#include "crystal/ngram_prior.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "base/check.h"
#include "crystal/ngram_prior_file.h"

namespace cllm {
namespace {

constexpr int64_t kNone = -1;
constexpr auto kMostLevels = static_cast<size_t>(kLongestPrior);

// A context of one length on the way to the longest that was counted.
struct Visit {
  const NgramLevel* ngrams = nullptr;
  const KneserNey::Level* level = nullptr;
  uint32_t context = 0;
  int64_t reduced = kNone;  // the n-gram whose count is one less
  uint32_t at = 0;          // of its n-grams, while they are walked through
  double total = 0;
  double backoff = 1;  // the share of the shorter context
  double weight = 1;   // of this context in the whole

  uint32_t end() const { return ngrams->grams.begin[context + 1]; }
  Token token(uint32_t gram) const { return ngrams->grams.tokens[gram]; }
  uint32_t count(uint32_t gram) const {
    return ngrams->counts[gram] - (static_cast<int64_t>(gram) == reduced ? 1 : 0);
  }
  // What its own counts give the token of a gram, within the whole.
  double share(uint32_t gram) const {
    const uint32_t own = count(gram);
    return own == 0 ? 0 : weight * (own - level->discounts(own)) / total;
  }
};

// All contexts of a history, the empty one first.
class Path {
 public:
  Path(const KneserNey& model, std::span<const Token> history, Token left_out) {
    find_contexts(model, history);
    if (left_out != LogitPrior::kNothing && size_ == known_) leave_out(left_out);
    for (size_t i = 0; i < size_; ++i)
      set_total(visits_[i]);
    for (size_t i = size_ - 1; i > 0; --i)
      visits_[i - 1].weight = visits_[i].weight * visits_[i].backoff;
  }

  size_t size() const { return size_; }
  Visit& operator[](size_t length) { return visits_[length]; }

 private:
  void find_contexts(const KneserNey& model, std::span<const Token> history) {
    const std::vector<NgramLevel>& levels = model.counts().levels;
    known_ = std::min(levels.size(), history.size() + 1);
    std::optional<uint32_t> context = 0;
    for (size_t length = 0; length < known_; ++length) {
      if (length > 0)
        context = levels[length - 1].longer.find(*context, history[history.size() - length]);
      if (!context) return;
      visits_[size_++] = {.ngrams = &levels[length],
                          .level = &model.levels()[length],
                          .context = *context,
                          .at = levels[length].grams.begin[*context]};
    }
  }

  // Takes one off the longest n-gram; one that is gone is a left neighbour less of the shorter.
  void leave_out(Token token) {
    for (size_t length = size_; length-- > 0;) {
      Visit& visit = visits_[length];
      const auto gram = visit.ngrams->grams.find(visit.context, token);
      if (!gram) return;
      visit.reduced = *gram;
      if (visit.count(*gram) > 0) return;
    }
  }

  static void set_total(Visit& visit) {
    const KneserNey::Level& level = *visit.level;
    visit.total = level.totals[visit.context];
    visit.backoff = level.backoff[visit.context];
    if (visit.reduced == kNone) return;
    const uint32_t count = visit.count(static_cast<uint32_t>(visit.reduced));
    const double after = count == 0 ? 0 : level.discounts(count);
    const double discounted = visit.backoff * visit.total - level.discounts(count + 1) + after;
    visit.total -= 1;
    // A context without n-grams says nothing.
    visit.backoff = visit.total > 0 ? discounted / visit.total : 1;
  }

  std::array<Visit, kMostLevels> visits_;
  size_t size_ = 0, known_ = 0;  // contexts that were counted; that the history has
};

// p(token) by the empty context alone, within the whole: the uniform share of all V tokens ...
double uniform_share(const Visit& lowest, int64_t V) {
  return lowest.weight * lowest.backoff / static_cast<double>(V);
}

// ... and what its own counts give.
template <class Use>
void for_each_lowest(const Visit& lowest, int64_t V, Use use) {
  const double uniform = uniform_share(lowest, V);
  for (uint32_t gram = lowest.at; gram < lowest.end(); ++gram)
    use(lowest.token(gram), uniform + lowest.share(gram));
}

// Vectors grow by more than they need.
NgramCounts without_slack(NgramCounts counts) {
  for (NgramLevel& level : counts.levels)
    level.counts.shrink_to_fit();
  return counts;
}

template <class T>
int64_t bytes_of(const std::vector<T>& list) {
  return std::ssize(list) * static_cast<int64_t>(sizeof(T));
}

int64_t bytes_of(const TokenRows& rows) {
  return bytes_of(rows.begin) + bytes_of(rows.tokens);
}

}  // namespace

NgramPrior::NgramPrior(NgramCounts counts, uint64_t text_hash, bool leaves_out)
    : counts_(without_slack(std::move(counts))),
      model_(counts_),
      text_hash_(text_hash),
      leaves_out_(leaves_out) {
  CHECK_MSG(!counts_.levels.empty() && counts_.levels.size() <= kMostLevels, "{} levels",
            counts_.levels.size());
  const int64_t V = vocabulary_size();
  Path path(model_, {}, kNothing);
  lowest_.assign(static_cast<size_t>(V), uniform_share(path[0], V));
  for_each_lowest(path[0], V,
                  [&](Token token, double p) { lowest_[static_cast<size_t>(token)] = p; });
  for (const double p : lowest_)
    log_lowest_.push_back(std::log(p));
}

int64_t NgramPrior::bytes() const {
  int64_t bytes = bytes_of(lowest_) + bytes_of(log_lowest_);
  for (const NgramLevel& level : counts_.levels)
    bytes += bytes_of(level.grams) + bytes_of(level.counts) + bytes_of(level.longer);
  for (const KneserNey::Level& level : model_.levels())
    bytes += bytes_of(level.totals) + bytes_of(level.backoff);
  return bytes;
}

int64_t NgramPrior::ngrams() const {
  int64_t count = 0;
  for (const NgramLevel& level : counts_.levels)
    count += std::ssize(level.counts);
  return count;
}

void NgramPrior::log_probabilities(std::span<const int32_t> history, int32_t left_out,
                                   float* out) const {
  Path path(model_, history, leaves_out_ ? left_out : kNothing);
  const int64_t V = vocabulary_size();
  const Visit& lowest = path[0];
  const bool reduced = lowest.reduced != kNone;
  const double uniform = uniform_share(lowest, V);
  // 1. All tokens as without a context.
  if (reduced) {
    std::fill_n(out, V, static_cast<float>(std::log(uniform)));
    for_each_lowest(lowest, V,
                    [&](Token token, double p) { out[token] = static_cast<float>(std::log(p)); });
  } else {
    const double scale = std::log(lowest.weight);
    for (int64_t v = 0; v < V; ++v)
      out[v] = static_cast<float>(scale + log_lowest_[static_cast<size_t>(v)]);
  }
  if (path.size() == 1) return;
  // 2. Those that have followed the last token again, with what the contexts say: whatever has
  // followed a longer context is among them, in the same order.
  Visit& last = path[1];
  for (; last.at < last.end(); ++last.at) {
    const Token token = last.token(last.at);
    double p = reduced ? uniform + lowest.share(*lowest.ngrams->grams.find(0, token))
                       : lowest.weight * lowest_[static_cast<size_t>(token)];
    p += last.share(last.at);
    for (size_t length = 2; length < path.size(); ++length) {
      Visit& visit = path[length];
      if (visit.at < visit.end() && visit.token(visit.at) == token) p += visit.share(visit.at++);
    }
    out[token] = static_cast<float>(std::log(p));
  }
}

void NgramPrior::save(const fs::path& folder) const {
  write_prior_file(*this, folder);
}

}  // namespace cllm
