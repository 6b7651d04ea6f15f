#include "bench/staircase.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/error.h"
#include "base/philox.h"
#include "bench/staircase_trainer.h"
#include "model/transformer.h"

namespace cllm::bench {
namespace {

// A turn of a stair that would take longer is run with fewer sequences.
constexpr double kTurnSeconds = 10;

// Tokens with a frequency that falls with their number, so that there is something to learn.
TokenDataset skewed_tokens(int64_t count, int64_t vocabulary) {
  const Philox source(0, RandomStream::kShuffle);
  std::vector<Token> tokens(static_cast<size_t>(count));
  for (size_t i = 0; i < tokens.size(); ++i) {
    const double u = source.uniform(0, i);
    tokens[i] = static_cast<Token>(static_cast<double>(vocabulary) * u * u * u);
  }
  return TokenDataset::from_tokens(std::move(tokens), static_cast<int>(vocabulary));
}

struct Turn {
  std::vector<double> losses;  // of every step, the first included
  double tokens_per_second = 0;
};

// One shape on its way: the model, its text, and what was measured on each stair.
class Climb {
 public:
  Climb(const StairShape& shape, const StaircaseOptions& options, const ops::Context& context,
        std::function<void()> watch, std::function<void()> next)
      : shape_(shape),
        options_(options),
        context_(context),
        watch_(std::move(watch)),
        next_(std::move(next)),
        model_(shape.model),
        data_(skewed_tokens(4 * shape.batch * shape.model.context_length + 1,
                            shape.model.vocabulary_size)) {}

  // All stairs on the small batch that the slowest can afford.
  void check() {
    for (size_t i = 0; i < stairs().size(); ++i) {
      checks_.push_back(turn(stairs()[i], shape_.check_batch));
      batches_.push_back(affordable_batch(checks_[i]));
      if (i > 0) compare(stairs()[i], shape_.check_batch, checks_[i], checks_[i - 1]);
    }
  }

  // The stairs in turns, each on the batch that it can afford; neighbours with the same batch are
  // compared again.
  void measure() {
    std::vector<Turn> turns(stairs().size());
    std::vector<Subject> subjects;
    for (size_t i = 0; i < stairs().size(); ++i)
      subjects.push_back([this, i, &turns] {
        turns[i] = turn(stairs()[i], batches_[i]);
        if (i > 0 && batches_[i] == batches_[i - 1])
          compare(stairs()[i], batches_[i], turns[i], turns[i - 1]);
        return turns[i].tokens_per_second;
      });
    samples_ = interleave(options_.rounds, subjects);
  }

  void report(Report& report) const {
    for (size_t i = 0; i < stairs().size(); ++i) {
      Result result;
      result.name = fmt::format("{} {}. {}", shape_.name, i, stairs()[i].name);
      result.unit = "tokens/s";
      result.samples = samples_[i];
      result.extra["gain"] = median_ratio(samples_[i], samples_[i == 0 ? 0 : i - 1]);
      result.extra["total"] = median_ratio(samples_[i], samples_[0]);
      result.extra["claimed"] = stairs()[i].claim;
      result.extra["tokens_per_step"] = batches_[i] * shape_.model.context_length;
      result.extra["check_loss"] = fmt::format("{:.6f}", checks_[i].losses.back());
      result.extra["check_losses"] = checks_[i].losses;
      report.results.push_back(std::move(result));
    }
  }

 private:
  Turn turn(const Stair& stair, int64_t batch) {
    next_();
    const RunSettings settings = stair_settings(shape_.model, stair.features, batch);
    const auto trainer =
        make_stair_trainer(stair.features, model_, settings, data_.all(), context_);
    Turn result;
    result.losses.push_back(trainer->step().loss);
    double seconds = 0;
    for (int step = 0; step < options_.steps; ++step) {
      watch_();
      const double start = steady_seconds();
      result.losses.push_back(trainer->step().loss);
      seconds += steady_seconds() - start;
    }
    const auto tokens = static_cast<double>(options_.steps * batch * shape_.model.context_length);
    result.tokens_per_second = tokens / seconds;
    return result;
  }

  // A multiple of the check's, so that accumulation and shards divide it as well.
  int64_t affordable_batch(const Turn& checked) const {
    const auto tokens = static_cast<double>((options_.steps + 1) * shape_.model.context_length);
    const double sequences = kTurnSeconds * checked.tokens_per_second / tokens;
    if (sequences >= static_cast<double>(shape_.batch)) return shape_.batch;
    const auto share = static_cast<int64_t>(sequences) / shape_.check_batch;
    return std::max<int64_t>(1, share) * shape_.check_batch;
  }

  void compare(const Stair& stair, int64_t batch, const Turn& turn, const Turn& before) const {
    const RunSettings settings = stair_settings(shape_.model, stair.features, batch);
    const LossRounding rounding = loss_rounding(
        shape_.model, model_.parameters().count(), batch * shape_.model.context_length,
        settings.optimizer.learning_rate, settings.train.clip_norm, stair.features.bf16);
    const std::string found = loss_disagreement(turn.losses, before.losses, rounding);
    if (found.empty()) return;
    throw Error(ErrorKind::kRuntime, fmt::format("{}, {}", shape_.name, stair.name),
                found + " on the stair before", "this is a bug of cllm: please report it");
  }

  const StairShape& shape_;
  const StaircaseOptions& options_;
  const ops::Context& context_;
  const std::function<void()> watch_, next_;
  const Transformer model_;
  const TokenDataset data_;
  std::vector<Turn> checks_;
  std::vector<int64_t> batches_;
  std::vector<std::vector<double>> samples_;
};

}  // namespace

LossRounding loss_rounding(const ModelConfig& model, int64_t parameters, int64_t rows,
                           double learning_rate, double clip_norm, bool bf16) {
  const int64_t longest = std::max({model.vocabulary_size, model.mlp_hidden(), rows});
  return {bf16 ? 0x1.0p-9 : std::sqrt(static_cast<double>(longest)) * 0x1.0p-24,
          clip_norm * learning_rate * std::sqrt(static_cast<double>(parameters))};
}

std::string loss_disagreement(const std::vector<double>& losses, const std::vector<double>& before,
                              const LossRounding& rounding) {
  if (losses.size() != before.size())
    return fmt::format("{} losses, but {}", losses.size(), before.size());
  for (size_t step = 0; step < losses.size(); ++step) {
    const double moved = static_cast<double>(step) * rounding.movement;
    const double allowed = rounding.pass * (before[step] + moved);
    if (!(std::abs(losses[step] - before[step]) <= allowed))
      return fmt::format("the loss of step {} is {:.7f}, more than {:.1e} off {:.7f}", step + 1,
                         losses[step], allowed, before[step]);
  }
  return "";
}

void climb_staircase(const std::vector<StairShape>& shapes, const StaircaseOptions& options,
                     const ops::Context& context, const Progressed& progress, Report& report) {
  const auto turns = static_cast<int64_t>(stairs().size()) * (1 + options.rounds);
  const int64_t total = static_cast<int64_t>(shapes.size()) * turns;
  int64_t done = 0;
  const auto watch = [&] {
    if (progress) progress(done, total);
  };
  const auto next = [&] {
    watch();
    ++done;
  };
  for (const StairShape& shape : shapes) {
    Climb climb(shape, options, context, watch, next);
    climb.check();
    climb.measure();
    climb.report(report);
    report.notes.push_back(fmt::format("{}: {}; {} sequences in the check of the losses",
                                       shape.name, shape.description, shape.check_batch));
  }
  report.notes.emplace_back(
      "\"gain\" is over the stair before, \"claimed\" what the originating documents claim (rows "
      "of "
      "docs/origins.md); all stairs show the same losses within rounding.");
}

}  // namespace cllm::bench
