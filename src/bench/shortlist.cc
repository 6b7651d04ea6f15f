#include "bench/shortlist.h"

#include <fmt/format.h>

#include <span>
#include <string>
#include <utility>

#include "bench/random_tokens.h"
#include "crystal/shortlist.h"
#include "crystal/shortlist_queries.h"
#include "crystal/shortlist_recall.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.05;  // of one measurement at least
constexpr int64_t kRandomTokens = 4096;

Json recalls(const std::vector<std::vector<int32_t>>& likeliest,
             const QueryCandidates& candidates) {
  const auto means = mean_recalls(likeliest, candidates);
  Json shares;
  for (size_t i = 0; i < means.size(); ++i)
    shares[fmt::format("recall_{}_share", kRecallTops[i])] = means[i];
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
void add_controls(int64_t candidates, const QueriedHead& head,
                  const std::vector<std::vector<int32_t>>& likeliest, std::vector<Way>& ways) {
  const auto by_gcd = [&head, candidates](size_t query) {
    return gcd_candidates(head.token(query), head.vocabulary(), candidates);
  };
  const auto first = [&head, candidates](size_t) {
    return first_candidates(head.vocabulary(), candidates);
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

std::vector<Way> make_ways(QueriedHead& head, const ShortlistWanted& wanted,
                           const ops::Context& context,
                           const std::function<void()>& check_interrupt) {
  const std::vector<std::vector<int32_t>> likeliest = likeliest_of_queries(head);
  std::vector<Way> ways(2);
  ways[0].name = "head";
  ways[0].run = [&head](size_t query) { head.logits(query); };
  ways[1].name = "head and choice";
  ways[1].run = [&head](size_t query) { head.choose(query); };
  for (const int64_t candidates : wanted.candidates) {
    for (const ShortlistOptions& options : combinations(wanted, candidates)) {
      const auto shortlist =
          std::make_shared<Shortlist>(context, head.matrix(), head.vocabulary(), options);
      check_interrupt();
      const auto chosen = [&head, shortlist](size_t query) {
        const std::span<const int32_t> tokens = shortlist->select(head.hidden(query));
        return std::vector<int32_t>(tokens.begin(), tokens.end());
      };
      ways.push_back({fmt::format("shortlist {}, {} bits, query {}", candidates, options.bits,
                                  options.query_bits),
                      recalls(likeliest, chosen), [&head, shortlist](size_t query) {
                        head.choose(query, shortlist->select(head.hidden(query)));
                      }});
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
  const HeadQueries queries = make_head_queries(model, subject.weights.data(), subject.tokens,
                                                wanted.queries, context, check_interrupt);
  const DecodeWeights weights(model, context, wanted.weights, std::move(subject.weights));
  QueriedHead head(model, context, weights, subject.vocabulary, queries);
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
  measure(make_ways(head, wanted, context, check_interrupt), head.queries(), rounds, progress,
          report);
}

}  // namespace cllm::bench
