// cllm bench gemm: our matrix products beside those of other libraries.
#include <memory>

#include "base/error.h"
#include "bench/gemm.h"
#include "bench/gemm_tuning.h"
#include "bench/presets.h"
#include "cli/bench_options.h"
#include "cli/signals.h"
#include "model/gemm_memory.h"

namespace cllm::cli {
namespace {

// Rows of the presets' products: enough to be like training, few enough to be quick.
constexpr int64_t kMostRows = 2048, kHeadRows = 1024;

struct GemmOptions {
  BenchOptions bench;
  std::vector<std::string> only;
  bool tune = false;
};

std::vector<bench::GemmShape> all_shapes() {
  std::vector<bench::GemmShape> shapes = bench::reference_shapes();
  for (const char* name : {"nano", "baby", "gpt2"}) {
    const bench::BenchPreset& preset = bench::bench_preset(name);
    const ModelConfig config = bench::bench_model(preset);
    const int64_t rows = std::min(preset.batch_size * config.context_length, kMostRows);
    for (const bench::GemmShape& shape :
         bench::model_shapes(config, rows, std::min(rows, kHeadRows)))
      if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end()) shapes.push_back(shape);
  }
  return shapes;
}

std::vector<bench::GemmShape> wanted_shapes(const std::vector<std::string>& only) {
  std::vector<bench::GemmShape> shapes = all_shapes();
  if (only.empty()) return shapes;
  std::erase_if(shapes, [&](const bench::GemmShape& shape) {
    return std::none_of(only.begin(), only.end(), [&](const std::string& text) {
      return shape.name().find(text) != std::string::npos;
    });
  });
  if (shapes.empty())
    throw Error(ErrorKind::kUsage, "--only",
                fmt::format("no shape has '{}' in its name", fmt::join(only, "' or '")),
                "shapes look like \"fwd 2048x384x384\", \"dX 2048x384x1536\", \"dW 384x384x2048\"");
  return shapes;
}

int run(const CLI::App& command, const GemmOptions& options, ActionContext& context) {
  const std::vector<bench::GemmShape> shapes = wanted_shapes(options.only);
  if (options.tune) require_gemm_memory();
  install_signal_handlers();
  const Engine engine(static_cast<int>(options.bench.threads));
  bench::Report report = new_report("gemm", engine);
  report.settings["rounds"] = options.bench.rounds;
  if (options.tune) {
    const ops::GemmBlocking chosen =
        bench::tune_gemm(engine.context(), static_cast<int>(options.bench.rounds),
                         bench_progress(context.log, "gemm"), report);
    const fs::path path = remember_blocking(engine.context().kernels, chosen);
    report.notes.push_back(fmt::format("Remembered in {}.", path.string()));
    return finish_bench(report, command, options.bench, context);
  }
  const bench::Opponents opponents =
      bench::load_opponents(bench::program_folder(), engine.threads().count);
  report.notes = opponents.notes;
  bench::measure_gemm(engine.context(), shapes, bench::gemm_variants(engine.context(), opponents),
                      static_cast<int>(options.bench.rounds), bench_progress(context.log, "gemm"),
                      report);
  return finish_bench(report, command, options.bench, context);
}

}  // namespace

void add_bench_gemm(Program& program, CLI::App& bench) {
  CLI::App* command =
      add_command(program, bench, "gemm", "Our matrix products beside OpenBLAS and oneDNN",
                  "  cllm bench gemm\n"
                  "  cllm bench gemm --only dW --only 2048x768x768 --threads 1\n"
                  "  cllm bench gemm --tune");
  auto options = std::make_shared<GemmOptions>();
  options->bench.add_to(*command, 5);
  command
      ->add_option("--only", options->only,
                   "only shapes with this in their name, such as dW or 768x768")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command
      ->add_flag("--tune", options->tune,
                 "measure how large the tasks of products should be here, and remember it")
      ->excludes("--only");
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return run(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
