// cllm bench shortlist: what a token costs after the blocks, with the logits of all tokens and with
// those of a shortlist, and how many of the likeliest tokens the shortlist holds.
#include <functional>
#include <memory>

#include "base/error.h"
#include "bench/presets.h"
#include "bench/random_tokens.h"
#include "cli/bench_options.h"
#include "cli/input.h"
#include "cli/model_argument.h"
#include "cli/signals.h"
#include "crystal/shortlist.h"
#include "crystal/shortlist_queries.h"
#include "crystal/shortlist_recall.h"

namespace cllm::cli {
namespace {

constexpr double kSeconds = 0.05;  // of one measurement at least
constexpr int64_t kRandomTokens = 4096;

struct ShortlistBenchOptions {
  BenchOptions bench;
  ModelArgument model;
  std::string preset, data;
  std::string weights = "fp32";
  int64_t queries = 256;
  std::vector<int64_t> candidates, bits, query_bits;
};

// The model and the text that asks.
struct Subjects {
  std::unique_ptr<const Transformer> model;
  Arena weights;
  int64_t vocabulary = 0;  // of the tokenizer
  std::vector<int32_t> tokens;
};

Subjects random_subjects(const ShortlistBenchOptions& options, const Engine& engine) {
  const bench::BenchPreset& preset =
      bench::bench_preset(options.preset.empty() ? "gpt2" : options.preset);
  Subjects subjects;
  subjects.model = std::make_unique<const Transformer>(bench::bench_model(preset));
  subjects.weights = Arena(subjects.model->parameters().arena_floats(), "the weights");
  subjects.model->initialise(engine.context().pool, 1, subjects.weights.data());
  subjects.vocabulary = preset.vocabulary_size;
  const TokenDataset tokens = bench::random_tokens(kRandomTokens, preset.vocabulary_size);
  subjects.tokens.resize(static_cast<size_t>(tokens.size()));
  tokens.copy(0, tokens.size(), subjects.tokens.data());
  return subjects;
}

Subjects given_subjects(const ShortlistBenchOptions& options, Log& log) {
  if (!options.preset.empty())
    throw Error(ErrorKind::kUsage, "--preset", "is a model of random weights", "leave out --model");
  if (options.data.empty())
    throw Error(ErrorKind::kUsage, "--model", "needs a text that it goes on from",
                "give one with --data FILE");
  ModelInUse in_use = load_model_argument(options.model, log);
  Subjects subjects{std::move(in_use.loaded.model),
                    std::move(in_use.loaded.weights),
                    in_use.tokenizer.vocabulary_size(),
                    {}};
  in_use.tokenizer.encode(read_text(options.data), subjects.tokens, {.name = options.data});
  if (subjects.tokens.size() < 2)
    throw Error(ErrorKind::kData, options.data, "is shorter than two tokens", "give a longer text");
  return subjects;
}

bench::Json recalls(const std::vector<std::vector<int32_t>>& likeliest,
                    const QueryCandidates& candidates) {
  const auto means = mean_recalls(likeliest, candidates);
  bench::Json shares;
  for (size_t i = 0; i < means.size(); ++i)
    shares[fmt::format("recall_{}_share", kRecallTops[i])] = means[i];
  return shares;
}

// One way to choose a token, timed over the queries in turn.
struct Way {
  std::string name;
  bench::Json extra = bench::Json::object();
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

std::vector<Way> make_ways(QueriedHead& head, const ShortlistBenchOptions& options,
                           const Engine& engine) {
  const std::vector<std::vector<int32_t>> likeliest = likeliest_of_queries(head);
  std::vector<Way> ways(2);
  ways[0].name = "head";
  ways[0].run = [&head](size_t query) { head.logits(query); };
  ways[1].name = "head and choice";
  ways[1].run = [&head](size_t query) { head.choose(query); };
  for (const int64_t candidates : options.candidates) {
    for (const int64_t bits : options.bits)
      for (const int64_t query_bits : options.query_bits) {
        const auto shortlist = std::make_shared<Shortlist>(
            engine.context(), head.matrix(), head.vocabulary(),
            ShortlistOptions{.candidates = candidates, .bits = bits, .query_bits = query_bits});
        check_interrupt();
        const auto chosen = [&head, shortlist](size_t query) {
          const std::span<const int32_t> tokens = shortlist->select(head.hidden(query));
          return std::vector<int32_t>(tokens.begin(), tokens.end());
        };
        ways.push_back(
            {fmt::format("shortlist {}, {} bits, query {}", candidates, bits, query_bits),
             recalls(likeliest, chosen), [&head, shortlist](size_t query) {
               head.choose(query, shortlist->select(head.hidden(query)));
             }});
      }
    add_controls(candidates, head, likeliest, ways);
  }
  return ways;
}

void measure(std::vector<Way> ways, size_t queries, const BenchOptions& options, Log& log,
             bench::Report& report) {
  std::vector<bench::Subject> subjects;
  for (const Way& way : ways)
    subjects.push_back([&way, queries, next = size_t{0}]() mutable {
      return bench::seconds_per_call(kSeconds, [&] { way.run(next++ % queries); });
    });
  std::vector<std::vector<double>> seconds = bench::interleave(
      static_cast<int>(options.rounds), subjects, bench_progress(log, "shortlist"));
  const std::vector<double> exact = seconds[1];
  for (size_t i = 0; i < ways.size(); ++i) {
    if (i > 1) ways[i].extra["times_faster"] = bench::median_ratio(exact, seconds[i]);
    report.results.push_back({ways[i].name, "s", bench::Better::kLower, std::move(seconds[i]),
                              std::move(ways[i].extra)});
  }
}

int run(const CLI::App& command, ShortlistBenchOptions options, ActionContext& context) {
  if (options.candidates.empty()) options.candidates = {ShortlistOptions().candidates};
  if (options.bits.empty()) options.bits = {256, 512};
  if (options.query_bits.empty()) options.query_bits = {1, 4};
  for (const int64_t candidates : options.candidates)
    for (const int64_t bits : options.bits)
      for (const int64_t query_bits : options.query_bits)
        ShortlistOptions{candidates, bits, query_bits}.validate();
  install_signal_handlers();
  const Engine engine(static_cast<int>(options.bench.threads));
  Subjects subjects = options.model.run.empty() ? random_subjects(options, engine)
                                                : given_subjects(options, context.log);
  const Transformer& model = *subjects.model;
  if (!model.head().has_rows())
    throw Error(ErrorKind::kUsage, "--model",
                "the head of this model has no row of its own for every token",
                "give one with a dense embedding");
  if (model.prior() != nullptr)
    throw Error(ErrorKind::kUsage, "--model",
                "this model adds its logits to a prior, which is that of all tokens",
                "give one without a prior");
  const HeadQueries queries = make_head_queries(model, subjects.weights.data(), subjects.tokens,
                                                options.queries, engine.context(), check_interrupt);
  ops::WeightType type = ops::WeightType::kFp32;
  for (const EnumName<ops::WeightType>& name : kWeightNames)
    if (options.weights == name.name) type = name.value;
  const DecodeWeights weights(model, engine.context(), type, std::move(subjects.weights));
  QueriedHead head(model, engine.context(), weights, subjects.vocabulary, queries);
  bench::Report report = new_report("shortlist", engine);
  report.settings = {{"vocabulary", subjects.vocabulary},
                     {"width", model.config().width},
                     {"queries", queries.tokens.size()},
                     {"weights", options.weights}};
  report.notes = {
      fmt::format("{} hidden states of width {}, {} tokens; chance holds the candidates' share of "
                  "these.",
                  queries.tokens.size(), model.config().width, subjects.vocabulary),
      "A shortlist's time is that of its choice, the exact products of what it chose, and the draw "
      "from their top 40; \"head and choice\" is the same of all tokens."};
  measure(make_ways(head, options, engine), queries.tokens.size(), options.bench, context.log,
          report);
  return finish_bench(report, command, options.bench, context);
}

void add_model_options(CLI::App& command, ShortlistBenchOptions& options) {
  command
      .add_option("--model", options.model.run,
                  "a trained model: a run, a checkpoint or a folder (default: random weights)")
      ->type_name("RUN");
  command
      .add_option("--tokenizer", options.model.tokenizer,
                  "the model's tokenizer, if its folder has none")
      ->type_name("PATH");
  command.add_option("--data", options.data, "text that the model goes on from")->type_name("FILE");
  command
      .add_option("--preset", options.preset,
                  "shape of the random weights (default gpt2, 50257 tokens)")
      ->type_name("NAME");
  std::vector<std::string> names;
  for (const EnumName<ops::WeightType>& name : kWeightNames)
    names.emplace_back(name.name);
  command.add_option("--weights", options.weights, "how matrices are stored (default fp32)")
      ->type_name("TYPE")
      ->check(CLI::IsMember(names).description("fp32, bf16, int8"));
}

void add_list(CLI::App& command, const std::string& name, std::vector<int64_t>& values,
              const std::string& help) {
  command.add_option(name, values, help)->type_name("N")->allow_extra_args(false);
}

}  // namespace

void add_bench_shortlist(Program& program, CLI::App& bench) {
  CLI::App* command = add_command(
      program, bench, "shortlist", "Choosing a token from a few logits instead of all",
      "  cllm bench shortlist\n"
      "  cllm bench shortlist --model runs/book --data held-out.txt --queries 1000\n"
      "  cllm bench shortlist --candidates 128 --candidates 1024 --bits 512 --query-bits 4");
  auto options = std::make_shared<ShortlistBenchOptions>();
  options->bench.add_to(*command, 5);
  add_model_options(*command, *options);
  command->add_option("--queries", options->queries, "hidden states (default 256)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20).description(""));
  add_list(*command, "--candidates", options->candidates, "tokens of a shortlist (default 512)");
  add_list(*command, "--bits", options->bits, "of a signature (default 256 and 512)");
  add_list(*command, "--query-bits", options->query_bits, "of a query's numbers (default 1 and 4)");
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return run(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
