#include "bench/step_worker.h"

#include <fstream>
#include <memory>
#include <sstream>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "bench/limits.h"
#include "bench/random_tokens.h"
#include "bench/report.h"
#include "model/gemm_memory.h"
#include "threads/topology.h"
#include "train/parallel_choice.h"
#include "train/run.h"
#include "train/trainer.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.3;  // of steps in one turn at least
constexpr int64_t kBatches = 4;   // of random text

// "VmHWM:  1234 kB" of this process, in bytes.
int64_t peak_resident_bytes() {
  constexpr std::string_view name = "VmHWM:";
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream rest(line.substr(name.size()));
    int64_t kib = 0;
    rest >> kib;
    return kib * 1024;
  }
  return 0;
}

class StepServer {
 public:
  explicit StepServer(const RunSettings& settings)
      : pool_(choose_threads(static_cast<int>(settings.train.threads)).count),
        context_{pool_,
                 kernels::chosen_table(),
                 nullptr,
                 choose_blocking(kernels::chosen_table()).blocking,
                 settings.parallel.tile_order,
                 settings.parallel.token_order},
        model_(settings.model),
        data_(
            random_tokens(kBatches * settings.train.batch_size * settings.model.context_length + 1,
                          settings.model.vocabulary_size)),
        settings_(with_parallel_mode(settings)),
        trainer_(model_, context_, settings_, data_.all()) {
    trainer_.initialise();
    trainer_.step();
  }

  std::string serve(const std::string& request) {
    if (request == "turn") return turn().dump();
    return (request == "profile" ? profile() : ready()).dump();
  }

 private:
  // parallel.mode = auto is measured as at the start of a run.
  RunSettings with_parallel_mode(RunSettings settings) const {
    if (settings.parallel.mode == ParallelSettings::Mode::kAuto)
      settings.parallel.mode =
          choose_parallel(model_, context_, settings, data_.all(), available_memory()).mode;
    return settings;
  }

  Json ready() const {
    return {{"flops_per_token", model_.training_flops_per_token()},
            {"tokens_per_step", trainer_.tokens_per_step()},
            {"threads", pool_.size()},
            {"planned_bytes", plan_memory(model_, settings_, context_).total()}};
  }

  Json turn() {
    const double seconds = seconds_per_call(kSeconds, [this] { trainer_.step(); });
    const bool bf16 = settings_.precision.mode == PrecisionSettings::Mode::kBf16;
    const kernels::PeakLoop* loop = kernels::peak_loop(
        bf16 ? kernels::PeakKind::kBf16 : kernels::PeakKind::kFp32, context_.kernels.name);
    // Where bf16 is storage only, the arithmetic is that of fp32.
    if (loop == nullptr) loop = kernels::peak_loop(kernels::PeakKind::kFp32, context_.kernels.name);
    const double peak = loop == nullptr ? 0 : measure_peak(pool_, pool_.size(), *loop);
    return {{"seconds", seconds}, {"peak", peak}};
  }

  Json profile() {
    const int64_t resident = peak_resident_bytes();
    ops::Profile times;
    context_.profile = &times;
    const double start = steady_seconds();
    trainer_.step();
    const double seconds = steady_seconds() - start;
    context_.profile = nullptr;
    Json operations = Json::object();
    for (const ops::Profile::Entry& entry : times.entries())
      operations[std::string(entry.name)] = entry.seconds;
    return {{"seconds", seconds}, {"operations", operations}, {"resident_bytes", resident}};
  }

  ThreadPool pool_;
  ops::Context context_;
  Transformer model_;
  TokenDataset data_;
  RunSettings settings_;
  Trainer trainer_;
};

}  // namespace

Worker::Serve serve_steps(const RunSettings& settings) {
  const auto server = std::make_shared<StepServer>(settings);
  return [server](const std::string& request) { return server->serve(request); };
}

int64_t planned_step_bytes(RunSettings settings) {
  // A plan depends on the number of threads through scratch alone; one needs no thread started.
  ThreadPool pool(1);
  const kernels::Table& table = kernels::chosen_table();
  const ops::Context context{pool,
                             table,
                             nullptr,
                             choose_blocking(table).blocking,
                             settings.parallel.tile_order,
                             settings.parallel.token_order};
  const Transformer model(settings.model);
  settings.parallel.mode = affordable_mode(model, settings, context, available_memory());
  return plan_memory(model, settings, context).total() + kOtherMemory;
}

}  // namespace cllm::bench
