#include "train/parallel_choice.h"

#include <algorithm>

#include "base/clock.h"
#include "train/run.h"

namespace cllm {
namespace {

using Mode = ParallelSettings::Mode;

constexpr int kTurns = 2;
constexpr double kSeconds = 0.5;  // of a turn
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

// Tokens/s of the fastest step of a turn.
double best_rate(const Transformer& model, const ops::Context& context, const RunSettings& settings,
                 TokenView tokens, const std::function<void()>& poll) {
  Trainer trainer(model, context, settings, tokens);
  trainer.initialise();
  trainer.step();  // warms up
  const auto count = static_cast<double>(trainer.tokens_per_step());
  double best = 0;
  const double start = steady_seconds();
  do {
    if (poll) poll();
    const double begin = steady_seconds();
    trainer.step();
    best = std::max(best, count / (steady_seconds() - begin));
  } while (steady_seconds() - start < kSeconds);
  return best;
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
  for (int turn = 0; turn < kTurns && steady_seconds() - start < kLongTurn; ++turn) {
    const auto rate = [&](Mode mode) {
      return best_rate(model, context, at_rest(settings, mode), tokens, poll);
    };
    choice.batch_rate = std::max(choice.batch_rate, rate(Mode::kBatch));
    choice.operation_rate = std::max(choice.operation_rate, rate(Mode::kOperation));
  }
  choice.mode = choice.batch_rate > choice.operation_rate ? Mode::kBatch : Mode::kOperation;
  return choice;
}

}  // namespace cllm
