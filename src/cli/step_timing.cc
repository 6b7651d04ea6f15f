#include "cli/step_timing.h"

#include <algorithm>

#include "base/clock.h"
#include "bench/random_tokens.h"
#include "cli/signals.h"
#include "train/trainer.h"

namespace cllm::cli {
namespace {

constexpr double kSeconds = 1;  // of timed steps per batch
constexpr size_t kLeastSteps = 2, kMostSteps = 50;
// Floating-point operations per thread of the largest batch that is timed: half a second at most.
constexpr double kOperations = 2e10;

double operations(const Transformer& model, int64_t B, int64_t T) {
  const ModelConfig& config = model.config();
  const auto longer = static_cast<double>(6 * config.layers * (config.context_length - T) *
                                          config.heads * config.head_width());
  return (model.training_flops_per_token() - longer) * static_cast<double>(B * T);
}

// Batch and context so that a batch takes `most` operations, if they can be so small.
void shorten(const Transformer& model, double most, RunSettings& settings) {
  int64_t& B = settings.train.batch_size;
  int64_t& T = settings.model.context_length;
  int64_t least = 1;
  if (settings.parallel.exact()) {
    // Sequences are computed apart, so the step is the same in one batch; with fewer of them than
    // shards, a thread may have none.
    B *= settings.train.gradient_accumulation_steps;
    least = settings.parallel.shards;
  }
  while (T > 64 && operations(model, 1, T) > most)
    T /= 2;
  while (B / 2 >= least && operations(model, B, T) > most)
    B /= 2;
}

// The median of a few steps.
double time_step(Trainer& trainer) {
  std::vector<double> seconds;
  const double start = steady_seconds();
  while (seconds.size() < kLeastSteps ||
         (seconds.size() < kMostSteps && steady_seconds() - start < kSeconds)) {
    check_interrupt();
    const double begin = steady_seconds();
    trainer.step();
    seconds.push_back(steady_seconds() - begin);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace

StepTiming time_steps(const Transformer& model, const RunSettings& wanted, const Engine& engine) {
  RunSettings settings = wanted;
  settings.model = model.config();
  // What a run chooses is at least as fast.
  if (settings.parallel.mode == ParallelSettings::Mode::kAuto)
    settings.parallel.mode = ParallelSettings::Mode::kOperation;
  shorten(model, kOperations * engine.threads().count, settings);
  const int64_t B = settings.train.batch_size, T = settings.model.context_length;
  const double share = operations(model, wanted.train.batch_size, model.config().context_length) /
                       operations(model, B, T);

  const Transformer timed(settings.model, model.codes(), model.shared_prior());
  const TokenDataset data = bench::random_tokens(2 * B * T + 1, settings.model.vocabulary_size);
  const auto batches = static_cast<double>(wanted.train.gradient_accumulation_steps) * share;
  // Set before the trainer is made, which takes memory for gradients that are added up; it looks at
  // the number again at every step.
  settings.train.gradient_accumulation_steps = batches == 1 ? 1 : 2;
  Trainer trainer(timed, engine.context(), settings, data.all());
  settings.train.gradient_accumulation_steps = 1;
  trainer.initialise();
  trainer.step();  // warms up
  const double one = time_step(trainer);
  if (batches == 1) return {one, B, T};
  settings.train.gradient_accumulation_steps = 2;
  const double two = time_step(trainer);
  // A step is a fixed part, the optimizer's, and a part per batch.
  const double batch = std::clamp(two - one, one / 10, one);
  return {one - batch + batches * batch, B, T};
}

}  // namespace cllm::cli
