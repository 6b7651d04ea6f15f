// cllm bench locality: what the order of rows in memory and of tiles in time is worth.
#include <algorithm>
#include <memory>

#include "base/error.h"
#include "bench/locality_rows.h"
#include "bench/locality_tiles.h"
#include "cli/bench_options.h"
#include "cli/signals.h"

namespace cllm::cli {
namespace {

// Tokens of the stream: more than the rows that any cache holds, little enough for a pass of a
// fraction of a second.
constexpr int64_t kStreamTokens = int64_t{1} << 18;

struct LocalityOptions {
  BenchOptions bench;
  std::vector<std::string> parts;
  std::vector<int64_t> widths;
  int64_t batch = 8192;
  int64_t vocabulary = 50257;
  std::string data, tokenizer;
};

bool wants(const LocalityOptions& options, const char* part) {
  return options.parts.empty() ||
         std::find(options.parts.begin(), options.parts.end(), part) != options.parts.end();
}

bench::TokenStream find_tokens(const LocalityOptions& options) {
  if (options.data.empty()) return bench::zipf_tokens(options.vocabulary, kStreamTokens);
  return bench::text_tokens(options.data, options.tokenizer, kStreamTokens);
}

void run_rows(const LocalityOptions& options, const Engine& engine, ActionContext& context,
              bench::Report& report) {
  const bench::TokenStream stream = find_tokens(options);
  bench::RowsWanted wanted{options.widths, options.batch};
  if (wanted.widths.empty()) wanted.widths = {64, 384, 768};
  if (std::ssize(stream.ids) < wanted.batch)
    throw Error(
        ErrorKind::kUsage, "--batch",
        fmt::format("{} is more than the {} tokens of the text", wanted.batch, stream.ids.size()),
        "give a smaller one or a longer text");
  report.settings["vocabulary"] = stream.V;
  report.notes.push_back(fmt::format("{} tokens of a vocabulary of {}, in batches of {}.",
                                     stream.ids.size(), stream.V, wanted.batch));
  bench::measure_rows(engine.context(), stream, wanted, static_cast<int>(options.bench.rounds),
                      bench_progress(context.log, "rows"), report);
}

int run(const CLI::App& command, const LocalityOptions& options, ActionContext& context) {
  if (!wants(options, "rows"))
    refuse_without(command, "--part rows",
                   {"--width", "--batch", "--vocabulary", "--data", "--tokenizer"});
  if (options.data.empty() != options.tokenizer.empty())
    throw Error(ErrorKind::kUsage, options.data.empty() ? "--tokenizer" : "--data",
                "text and tokenizer belong together", "give both, or neither for Zipf's law");
  install_signal_handlers();
  const Engine engine(static_cast<int>(options.bench.threads));
  const auto rounds = static_cast<int>(options.bench.rounds);
  bench::Report report = new_report("locality", engine);
  report.settings["rounds"] = options.bench.rounds;
  if (wants(options, "rows")) run_rows(options, engine, context, report);
  if (wants(options, "products"))
    bench::measure_product_tiles(engine.context(), bench::reference_shapes(), rounds,
                                 bench_progress(context.log, "products"), report);
  if (wants(options, "attention"))
    bench::measure_attention_tiles(
        engine.context(),
        {bench::bench_preset("nano"), bench::bench_preset("baby"), bench::bench_preset("gpt2")},
        rounds, bench_progress(context.log, "attention"), report);
  return finish_bench(report, command, options.bench, context);
}

}  // namespace

void add_bench_locality(Program& program, CLI::App& bench) {
  CLI::App* command =
      add_command(program, bench, "locality", "Orders of a token table's rows, and of tiles",
                  "  cllm bench locality --part rows --threads 1\n"
                  "  cllm bench locality --part rows --data book.txt --tokenizer gpt2/\n"
                  "  cllm bench locality --part products --part attention");
  auto options = std::make_shared<LocalityOptions>();
  options->bench.add_to(*command, 5);
  command->add_option("--part", options->parts, "rows, products or attention (default all)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"rows", "products", "attention"}).description(""))
      ->allow_extra_args(false);
  command->add_option("--width", options->widths, "of a row (default 64, 384, 768)")
      ->type_name("C")
      ->check(CLI::Range(1, 1 << 16).description(""))
      ->allow_extra_args(false);
  command->add_option("--batch", options->batch, "tokens gathered at a time (default 8192)")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 18).description(""));
  auto* vocabulary = command->add_option("--vocabulary", options->vocabulary,
                                         "tokens by Zipf's law out of so many (default 50257)");
  vocabulary->type_name("V")->check(CLI::Range(1, 1 << 20).description(""));
  command->add_option("--data", options->data, "a text whose tokens to take instead")
      ->type_name("FILE")
      ->excludes(vocabulary);
  command->add_option("--tokenizer", options->tokenizer, "tokenizer of that text")
      ->type_name("PATH");
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return run(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
