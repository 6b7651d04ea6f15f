// cllm bench generate: how fast a model reads a prompt and writes tokens.
#include <memory>

#include "bench/generate.h"
#include "cli/bench_options.h"
#include "cli/signals.h"
#include "model/generator.h"

namespace cllm::cli {
namespace {

struct GenerateBenchOptions {
  BenchOptions bench;
  std::vector<std::string> presets;
  bench::GenerateShape shape{.prompt_tokens = 256, .tokens = 64};
  std::string weights = "fp32";
};

int run(const CLI::App& command, const GenerateBenchOptions& options, ActionContext& context) {
  std::vector<bench::BenchPreset> presets;
  for (const std::string& name : options.presets)
    presets.push_back(bench::bench_preset(name));
  if (presets.empty())
    for (const char* name : {"nano", "baby", "gpt2"})
      presets.push_back(bench::bench_preset(name));
  install_signal_handlers();
  const Engine engine(static_cast<int>(options.bench.threads));
  bench::Report report = new_report("generate", engine);
  report.settings = {{"rounds", options.bench.rounds},
                     {"prompt_tokens", options.shape.prompt_tokens},
                     {"tokens", options.shape.tokens},
                     {"weights", options.weights},
                     {"batch", options.shape.batch}};
  report.notes = {
      "Decode is bound by reading every weight and the caches once per step of all sequences; its "
      "bound is the bandwidth of as many bytes. A batch of small weights may meet the peak of fp32 "
      "arithmetic first."};
  bench::GenerateShape shape = options.shape;
  for (const EnumName<ops::WeightType>& name : kWeightNames)
    if (options.weights == name.name) shape.weights = name.value;
  bench::measure_generation(engine.context(), presets, shape,
                            static_cast<int>(options.bench.rounds),
                            bench_progress(context.log, "generate"), report);
  return finish_bench(report, command, options.bench, context);
}

}  // namespace

void add_bench_generate(Program& program, CLI::App& bench) {
  CLI::App* command = add_command(
      program, bench, "generate", "Reading a prompt and writing tokens, against the bandwidth",
      "  cllm bench generate\n  cllm bench generate --preset gpt2 --prompt-tokens 512 --tokens 32\n"
      "  cllm bench generate --weights int8 --batch 8");
  auto options = std::make_shared<GenerateBenchOptions>();
  options->bench.add_to(*command, 5);
  command->add_option("--preset", options->presets, "model (default nano, baby, gpt2)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  const auto count = CLI::Range(int64_t{1}, int64_t{1} << 20).description("");
  command
      ->add_option("--prompt-tokens", options->shape.prompt_tokens,
                   "tokens that are read; half of the context at most (default 256)")
      ->type_name("N")
      ->check(count);
  command
      ->add_option("--tokens", options->shape.tokens,
                   "tokens that are written; half of the context at most (default 64)")
      ->type_name("N")
      ->check(count);
  std::vector<std::string> names;
  for (const EnumName<ops::WeightType>& name : kWeightNames)
    names.emplace_back(name.name);
  command->add_option("--weights", options->weights, "how matrices are stored (default fp32)")
      ->type_name("TYPE")
      ->check(CLI::IsMember(names).description("fp32, bf16, int8"));
  command->add_option("--batch", options->shape.batch, "sequences decoded together (default 1)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, Generator::kMostSequences).description("1 to 16"));
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return run(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
