#include "bench/shortlist.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <string>
#include <utility>

#include "bench/random_tokens.h"
#include "crystal/shortlist.h"
#include "crystal/shortlist_recall.h"
#include "model/sampler.h"
#include "model/session.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.05;     // of one measurement at least
constexpr int64_t kMostWindows = 32;  // that the hidden states come from
constexpr int64_t kRandomTokens = 4096;
constexpr std::array<int64_t, 2> kTops = {1, 40};

// What the head reads after some of the tokens: hidden [queries, C], and those tokens.
struct Queries {
  std::vector<float> hidden;
  std::vector<int32_t> tokens;
};

// From windows spread over the text, of each as many rows, evenly.
Queries make_queries(const ShortlistSubject& subject, int64_t wanted, const ops::Context& context,
                     const std::function<void()>& check_interrupt) {
  const Transformer& model = *subject.model;
  const int64_t length = std::ssize(subject.tokens), C = model.config().width;
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
  Queries queries;
  for (int64_t w = 0; w < windows; ++w) {
    const int64_t first = (length - T) * w / windows;
    const int64_t count = std::min(T, wanted * (w + 1) / windows - wanted * w / windows);
    rows.clear();
    session.evaluate({subject.tokens.data() + first, targets.data(), 1, T}, subject.weights.data(),
                     &observer);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = T * (i + 1) / count - 1;
      queries.hidden.insert(queries.hidden.end(), rows.begin() + row * C,
                            rows.begin() + (row + 1) * C);
      queries.tokens.push_back(subject.tokens[static_cast<size_t>(first + row)]);
    }
    check_interrupt();
  }
  return queries;
}

// The head of a model, asked one query after the other.
class Head {
 public:
  Head(const Transformer& model, const ops::Context& context, const DecodeWeights& weights,
       int64_t vocabulary, const Queries& queries)
      : weights_(weights),
        vocabulary_(vocabulary),
        queries_(queries),
        session_(model, context,
                 {.B = 1, .T = 1, .S = model.config().context_length, .weights = weights.type()}),
        sampler_({}, vocabulary),
        C_(static_cast<size_t>(model.config().width)) {}

  size_t queries() const { return queries_.tokens.size(); }
  int64_t vocabulary() const { return vocabulary_; }
  int32_t token(size_t query) const { return queries_.tokens[query]; }
  std::span<const float> hidden(size_t query) const {
    return std::span(queries_.hidden).subspan(query * C_, C_);
  }
  std::span<float> logits(size_t query) {
    return session_.head_logits(hidden(query), weights_).first(static_cast<size_t>(vocabulary_));
  }
  void choose(size_t query) { sampler_.next(logits(query), {}); }
  void choose(size_t query, Shortlist& shortlist) {
    const std::span<const int32_t> tokens = shortlist.select(hidden(query));
    few_.resize(tokens.size());
    session_.candidate_logits(hidden(query), weights_, tokens, few_);
    sampler_.next(tokens, few_, {});
  }

 private:
  const DecodeWeights& weights_;
  int64_t vocabulary_;
  const Queries& queries_;
  Session session_;
  Sampler sampler_;
  size_t C_;
  std::vector<float> few_;
};

// Mean recalls of kTops, of what `candidates` gives for a query.
Json recalls(const std::vector<std::vector<int32_t>>& likeliest, const auto& candidates) {
  Json shares;
  std::array<double, kTops.size()> sums = {};
  for (size_t query = 0; query < likeliest.size(); ++query) {
    const auto chosen = candidates(query);
    for (size_t i = 0; i < kTops.size(); ++i) {
      const std::span<const int32_t> all = likeliest[query];
      sums[i] += recall_of(chosen, all.first(std::min(all.size(), static_cast<size_t>(kTops[i]))));
    }
  }
  for (size_t i = 0; i < kTops.size(); ++i)
    shares[fmt::format("recall_{}_share", kTops[i])] =
        sums[i] / static_cast<double>(likeliest.size());
  return shares;
}

// One way to choose a token, timed over the queries in turn.
struct Way {
  std::string name;
  Json extra = Json::object();
  std::function<void(size_t)> run;
};

// Tokens chosen by the gcd of their ids, which must fail, and the first ids, which tell how much of
// what the gcd holds is due to the small ids among divisors: those of frequent tokens.
void add_controls(int64_t candidates, const Head& head,
                  const std::vector<std::vector<int32_t>>& likeliest, std::vector<Way>& ways) {
  const auto by_gcd = [&head, candidates](size_t query) {
    return gcd_candidates(head.token(query), head.vocabulary(), candidates);
  };
  const auto first = [&head, candidates](size_t) {
    std::vector<int32_t> ids(static_cast<size_t>(std::min(candidates, head.vocabulary())));
    std::iota(ids.begin(), ids.end(), 0);
    return ids;
  };
  ways.push_back({fmt::format("gcd of ids {} (control)", candidates), recalls(likeliest, by_gcd),
                  [by_gcd](size_t query) { by_gcd(query); }});
  ways.push_back({fmt::format("first ids {} (control)", candidates), recalls(likeliest, first),
                  [first](size_t query) { first(query); }});
}

std::vector<ShortlistOptions> combinations(const ShortlistWanted& wanted, int64_t candidates) {
  std::vector<ShortlistOptions> all;
  for (const int64_t bits : wanted.bits)
    for (const int64_t query_bits : wanted.query_bits)
      all.push_back({.candidates = candidates, .bits = bits, .query_bits = query_bits});
  return all;
}

std::vector<Way> make_ways(Head& head, const ShortlistWanted& wanted, const ops::Context& context,
                           const ops::DecodeMatrix& rows,
                           const std::function<void()>& check_interrupt) {
  std::vector<std::vector<int32_t>> likeliest;
  for (size_t query = 0; query < head.queries(); ++query)
    likeliest.push_back(likeliest_tokens(head.logits(query), kTops.back()));
  std::vector<Way> ways(2);
  ways[0].name = "head";
  ways[0].run = [&head](size_t query) { head.logits(query); };
  ways[1].name = "head and choice";
  ways[1].run = [&head](size_t query) { head.choose(query); };
  for (const int64_t candidates : wanted.candidates) {
    for (const ShortlistOptions& options : combinations(wanted, candidates)) {
      const auto shortlist = std::make_shared<Shortlist>(context, rows, head.vocabulary(), options);
      check_interrupt();
      ways.push_back(
          {fmt::format("shortlist {}, {} bits, query {}", candidates, options.bits,
                       options.query_bits),
           recalls(likeliest, [&](size_t query) { return shortlist->select(head.hidden(query)); }),
           [&head, shortlist](size_t query) { head.choose(query, *shortlist); }});
    }
    add_controls(candidates, head, likeliest, ways);
  }
  return ways;
}

void measure(std::vector<Way> ways, size_t queries, int rounds, const Progressed& progress,
             Report& report) {
  std::vector<Subject> subjects;
  for (const Way& way : ways)
    subjects.push_back([&way, queries, next = size_t{0}]() mutable {
      return seconds_per_call(kSeconds, [&] { way.run(next++ % queries); });
    });
  std::vector<std::vector<double>> seconds = interleave(rounds, subjects, progress);
  const std::vector<double> exact = seconds[1];
  for (size_t i = 0; i < ways.size(); ++i) {
    if (i > 1) ways[i].extra["times_faster"] = median_ratio(exact, seconds[i]);
    report.results.push_back(
        {ways[i].name, "s", Better::kLower, std::move(seconds[i]), std::move(ways[i].extra)});
  }
}

}  // namespace

void ShortlistWanted::validate() const {
  for (const int64_t each : candidates)
    for (const ShortlistOptions& options : combinations(*this, each))
      options.validate();
}

ShortlistSubject random_shortlist_subject(const BenchPreset& preset, ThreadPool& pool) {
  ShortlistSubject subject;
  subject.model = std::make_unique<const Transformer>(bench_model(preset));
  subject.weights = Arena(subject.model->parameters().arena_floats(), "the weights");
  subject.model->initialise(pool, 1, subject.weights.data());
  subject.vocabulary = preset.vocabulary_size;
  const TokenDataset tokens = random_tokens(kRandomTokens, preset.vocabulary_size);
  subject.tokens.resize(static_cast<size_t>(tokens.size()));
  tokens.copy(0, tokens.size(), subject.tokens.data());
  return subject;
}

void measure_shortlists(const ops::Context& context, ShortlistSubject subject,
                        const ShortlistWanted& wanted, int rounds,
                        const std::function<void()>& check_interrupt, const Progressed& progress,
                        Report& report) {
  const Transformer& model = *subject.model;
  require_shortlist_model(model, "--model", "give another model");
  const Queries queries = make_queries(subject, wanted.queries, context, check_interrupt);
  const DecodeWeights weights(model, context, wanted.weights, std::move(subject.weights));
  Head head(model, context, weights, subject.vocabulary, queries);
  report.settings["vocabulary"] = subject.vocabulary;
  report.settings["width"] = model.config().width;
  report.settings["queries"] = head.queries();
  report.notes.push_back(
      fmt::format("{} hidden states of width {}, {} tokens; chance holds the candidates' share of "
                  "these.",
                  head.queries(), model.config().width, subject.vocabulary));
  report.notes.emplace_back(
      "A shortlist's time is that of its choice, the exact products of what it chose, and the draw "
      "from their top 40; \"head and choice\" is the same of all tokens.");
  const ops::DecodeMatrix& rows =
      weights.matrix(model.parameters().at(model.head().linear().weight_parameter()));
  measure(make_ways(head, wanted, context, rows, check_interrupt), head.queries(), rounds, progress,
          report);
}

}  // namespace cllm::bench
