#include "train/parallel_choice.h"

#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "train/run.h"

namespace cllm {
namespace {

using Mode = ParallelSettings::Mode;

constexpr int kTurns = 3;
constexpr double kSeconds = 0.4;  // of a turn
// A first turn of both ways that took longer is not repeated.
constexpr double kLongTurn = 10;
// Of a step that is measured: more only repeat what one does, and take their time.
constexpr int64_t kMostBatches = 2;

// The same work with rates so small that no weight moves: the measurement cannot diverge.
RunSettings at_rest(RunSettings settings, Mode mode) {
  settings.parallel.mode = mode;
  settings.train.gradient_accumulation_steps =
      std::min(settings.train.gradient_accumulation_steps, kMostBatches);
  settings.schedule.lr_scheduler = optim::ScheduleKind::kConstant;
  settings.optimizer.learning_rate = settings.optimizer.muon_learning_rate = 1e-30;
  settings.optimizer.embedding_learning_rate = settings.optimizer.head_learning_rate = 0;
  settings.train.init.clear();  // speed does not depend on the weights
  return settings;
}

// Appends the seconds of the steps of a turn.
void time_steps(const Transformer& model, const ops::Context& context, const RunSettings& settings,
                TokenView tokens, const std::function<void()>& poll, std::vector<double>& seconds) {
  Trainer trainer(model, context, settings, tokens);
  trainer.initialise();
  trainer.step();  // warms up
  const double start = steady_seconds();
  do {
    if (poll) poll();
    const double begin = steady_seconds();
    trainer.step();
    seconds.push_back(steady_seconds() - begin);
  } while (steady_seconds() - start < kSeconds);
}

// Tokens/s of the median step. Not of the fastest: where threads meet in every operation, rare
// steps in which no core is late tell little of the others (`nano` once looked as fast inside
// operations, and was 20 % slower in training).
double median_rate(const RunSettings& settings, std::vector<double> seconds) {
  const auto middle = seconds.begin() + std::ssize(seconds) / 2;
  std::ranges::nth_element(seconds, middle);
  const int64_t tokens = settings.train.gradient_accumulation_steps * settings.train.batch_size *
                         settings.model.context_length;
  return static_cast<double>(tokens) / *middle;
}

}  // namespace

Mode affordable_mode(const Transformer& model, const RunSettings& settings,
                     const ops::Context& context, int64_t available) {
  if (settings.parallel.mode != Mode::kAuto) return settings.parallel.mode;
  const auto fits = [&](Mode mode) {
    RunSettings copy = settings;
    copy.parallel.mode = mode;
    return plan_memory(model, copy, context).total() + kOtherMemory <= available;
  };
  if (!fits(Mode::kBatch)) return Mode::kOperation;
  return fits(Mode::kOperation) ? Mode::kAuto : Mode::kBatch;
}

ParallelChoice choose_parallel(const Transformer& model, const ops::Context& context,
                               const RunSettings& settings, TokenView tokens, int64_t available,
                               const std::function<void()>& poll) {
  RunSettings open = settings;
  open.parallel.mode = Mode::kAuto;
  ParallelChoice choice;
  choice.mode = affordable_mode(model, open, context, available);
  if (choice.mode != Mode::kAuto) return choice;
  const double start = steady_seconds();
  const RunSettings batch = at_rest(settings, Mode::kBatch);
  const RunSettings operation = at_rest(settings, Mode::kOperation);
  std::vector<double> batch_seconds, operation_seconds;
  for (int turn = 0; turn < kTurns && steady_seconds() - start < kLongTurn; ++turn) {
    time_steps(model, context, batch, tokens, poll, batch_seconds);
    time_steps(model, context, operation, tokens, poll, operation_seconds);
  }
  choice.batch_rate = median_rate(batch, std::move(batch_seconds));
  choice.operation_rate = median_rate(operation, std::move(operation_seconds));
  choice.mode = choice.batch_rate > choice.operation_rate ? Mode::kBatch : Mode::kOperation;
  return choice;
}

}  // namespace cllm
