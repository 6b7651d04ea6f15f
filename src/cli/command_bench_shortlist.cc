// cllm bench shortlist: choosing a token from a few logits instead of all.
#include <memory>

#include "base/error.h"
#include "bench/shortlist.h"
#include "cli/bench_options.h"
#include "cli/input.h"
#include "cli/model_argument.h"
#include "cli/signals.h"
#include "crystal/shortlist.h"

namespace cllm::cli {
namespace {

struct ShortlistBenchOptions {
  BenchOptions bench;
  ModelArgument model;
  std::string preset, data;
  std::string weights = "fp32";
  bench::ShortlistWanted wanted;
};

bench::ShortlistSubject given_subject(const ShortlistBenchOptions& options, Log& log) {
  ModelInUse in_use = load_model_argument(options.model, log);
  bench::ShortlistSubject subject{std::move(in_use.loaded.model),
                                  std::move(in_use.loaded.weights),
                                  in_use.tokenizer.vocabulary_size(),
                                  {}};
  in_use.tokenizer.encode(read_text(options.data), subject.tokens, {.name = options.data});
  if (subject.tokens.size() < 2)
    throw Error(ErrorKind::kData, options.data, "is shorter than two tokens", "give a longer text");
  return subject;
}

// A given model goes on from a given text, a preset from random tokens.
void check_subject(const CLI::App& command, const ShortlistBenchOptions& options) {
  if (options.model.run.empty())
    return refuse_without(command, "--model RUN", {"--data", "--tokenizer"});
  if (!options.preset.empty())
    throw Error(ErrorKind::kUsage, "--preset", "is a model of random weights", "leave out --model");
  if (options.data.empty())
    throw Error(ErrorKind::kUsage, "--model", "needs a text that it goes on from",
                "give one with --data FILE");
}

int run(const CLI::App& command, const ShortlistBenchOptions& options, ActionContext& context) {
  check_subject(command, options);
  bench::ShortlistWanted wanted = options.wanted;
  if (wanted.candidates.empty()) wanted.candidates = {ShortlistOptions().candidates};
  if (wanted.bits.empty()) wanted.bits = {256, 512};
  if (wanted.query_bits.empty()) wanted.query_bits = {1, 4};
  for (const EnumName<ops::WeightType>& name : kWeightNames)
    if (options.weights == name.name) wanted.weights = name.value;
  wanted.validate();
  install_signal_handlers();
  const Engine engine(static_cast<int>(options.bench.threads));
  bench::ShortlistSubject subject =
      options.model.run.empty()
          ? bench::random_shortlist_subject(
                bench::bench_preset(options.preset.empty() ? "gpt2" : options.preset),
                engine.context().pool)
          : given_subject(options, context.log);
  bench::Report report = new_report("shortlist", engine);
  bench::measure_shortlists(engine.context(), std::move(subject), wanted,
                            static_cast<int>(options.bench.rounds), check_interrupt,
                            bench_progress(context.log, "shortlist"), report);
  report.settings["weights"] = options.weights;
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
  command->add_option("--queries", options->wanted.queries, "hidden states (default 256)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20).description(""));
  add_list(*command, "--candidates", options->wanted.candidates,
           "tokens of a shortlist (default 512)");
  add_list(*command, "--bits", options->wanted.bits, "of a signature (default 256 and 512)");
  add_list(*command, "--query-bits", options->wanted.query_bits,
           "of a query's numbers (default 1 and 4)");
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return run(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
