#include "bench/peers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "bench/median_interval.h"
#include "bench/peer_check.h"
#include "bench/peer_child.h"
#include "model/model_folder.h"
#include "train/parallel_choice.h"
#include "train/run.h"

namespace cllm::bench {
namespace {

constexpr int64_t kCheckSteps = 3;
// A trial of a set-up is timed over as many steps as take this long, after the checked ones.
constexpr double kTrialSeconds = 1;
constexpr int64_t kMostSteps = 10000;

std::vector<double> numbers(const nlohmann::json& list) {
  std::vector<double> values;
  for (const nlohmann::json& value : list)
    values.push_back(value.is_number() ? value.get<double>()
                                       : std::numeric_limits<double>::quiet_NaN());
  return values;
}

// Steps that take about `seconds` when one takes `step_seconds`.
int64_t steps_for(double seconds, double step_seconds) {
  return static_cast<int64_t>(
      std::clamp(std::round(seconds / step_seconds), 1.0, static_cast<double>(kMostSteps)));
}

struct Ran {
  double seconds = 0;
  Curve curve;
};

// Our side: a model, its data and a trainer.
class OurSide {
 public:
  OurSide(const RunSettings& settings, const PeersHost& host)
      : settings_(settings), host_(host), model_(settings_.model), tokens_(peer_tokens(settings_)) {
    require_memory(plan_memory(model_, settings_, host.engine.context()));
    trainer_ = std::make_unique<Trainer>(model_, host.engine.context(), settings_, tokens_.all());
    trainer_->initialise();
  }

  Ran run(int64_t steps) {
    Ran ran;
    const double start = steady_seconds();
    for (int64_t i = 0; i < steps; ++i) {
      if (host_.check_interrupt) host_.check_interrupt();
      const StepResult step = trainer_->step();
      ran.curve.losses.push_back(step.loss);
      ran.curve.gradient_norms.push_back(step.gradient_norm);
    }
    ran.seconds = steady_seconds() - start;
    return ran;
  }

  // The weights as they are now, for the peer.
  void save(const fs::path& folder) {
    make_folder(folder);
    save_model(folder, model_, trainer_->weights(), Tokenizer::byte());
  }
  int64_t planned_bytes() const {
    return plan_memory(model_, settings_, host_.engine.context()).total();
  }
  const TokenDataset& tokens() const { return tokens_; }

 private:
  RunSettings settings_;
  const PeersHost& host_;
  Transformer model_;
  TokenDataset tokens_;
  std::unique_ptr<Trainer> trainer_;
};

// Their side: a child that has loaded the model of host.folder / "model".
class TheirSide {
 public:
  TheirSide(const PeerJob& job, const RunSettings& settings, const PeersOptions& options,
            const PeersHost& host, const Tuning& tuning)
      : folder_(host.folder),
        tokens_(peer_tokens(settings)),
        batches_(settings, tokens_.all()),
        child_(command(job, settings, options, host, tuning)) {
    facts_ = child_.greeting();
    if (facts_.contains("missing"))
      throw Error(ErrorKind::kRuntime, options.command.front(),
                  "lacks " + facts_["missing"].get<std::string>(),
                  "apt-get install python3-torch, or name another Python with --python PATH");
    facts_ = facts_.value("ready", nlohmann::json::object());
  }

  Ran run(int64_t steps) {
    const fs::path path = folder_ / "batches.bin";
    batches_.write(path, steps);
    const nlohmann::json answer = child_.ask(fmt::format("run {} {}", steps, path.string()));
    try {
      peak_bytes_ = answer.value("peak_bytes", int64_t{0});
      return {answer.at("seconds").get<double>(),
              {numbers(answer.at("losses")), numbers(answer.at("gradient_norms"))}};
    } catch (const nlohmann::json::exception&) {
      throw Error(ErrorKind::kRuntime, "bench peers",
                  "the peer's answer is not understood: " + answer.dump().substr(0, 80), "");
    }
  }

  const nlohmann::json& facts() const { return facts_; }
  int64_t peak_bytes() const { return peak_bytes_; }

 private:
  static PeerCommand command(const PeerJob& job, const RunSettings& settings,
                             const PeersOptions& options, const PeersHost& host,
                             const Tuning& tuning) {
    const fs::path instructions = host.folder / "instructions.json";
    write_file(instructions, peer_instructions(job, settings, host.folder / "model").dump());
    PeerCommand command{options.command, tuning_environment(tuning),
                        host.folder / "peer-stderr.txt", options.timeout, host.check_interrupt};
    command.arguments.push_back(instructions.string());
    return command;
  }

  fs::path folder_;
  TokenDataset tokens_;
  PeerBatches batches_;
  PeerChild child_;
  nlohmann::json facts_;
  int64_t peak_bytes_ = 0;
};

std::string title(const PeerJob& job) {
  return job.preset + " " + job.precision;
}

// The peer is set up as well as it can be; so are we, in the one question that we have.
RunSettings tuned(RunSettings settings, const PeersHost& host) {
  const TokenDataset tokens = peer_tokens(settings);
  settings.parallel.mode =
      choose_parallel(Transformer(settings.model), host.engine.context(), settings, tokens.all(),
                      available_memory(), host.check_interrupt)
          .mode;
  return settings;
}

// Stores the initial weights for the peer; returns our first steps from there.
Curve first_steps(const RunSettings& settings, const PeersHost& host) {
  OurSide ours(settings, host);
  ours.save(host.folder / "model");
  return ours.run(kCheckSteps).curve;
}

// Tokens per second of the peer with this set-up, which must follow our curve.
double try_tuning(const PeerJob& job, const RunSettings& settings, const PeersOptions& options,
                  const PeersHost& host, const Curve& curve, const Tuning& tuning) {
  TheirSide theirs(job, settings, options, host, tuning);
  const Ran checked = theirs.run(kCheckSteps);
  require_same_curve(curve, checked.curve, curve_tolerance(job.precision));
  const int64_t steps = steps_for(kTrialSeconds, checked.seconds / kCheckSteps);
  const double per_step = theirs.run(steps).seconds / static_cast<double>(steps);
  const int64_t tokens = settings.train.batch_size * settings.model.context_length;
  const double speed = static_cast<double>(tokens) / per_step;
  if (host.say)
    host.say(fmt::format("{}: peer reaches {:.0f} tokens/s ({})", title(job), speed,
                         tuning_text(options.questions, tuning)));
  return speed;
}

struct Measured {
  std::vector<double> ours, theirs;  // tokens per second, by round
  int64_t steps = 0;                 // per turn
  int64_t our_bytes = 0, their_bytes = 0;
  nlohmann::json facts;
};

Measured measure(const PeerJob& job, const RunSettings& settings, const PeersOptions& options,
                 const PeersHost& host, const Tuning& tuning) {
  TheirSide theirs(job, settings, options, host, tuning);
  OurSide ours(settings, host);
  const double slower =
      std::max(ours.run(kCheckSteps).seconds, theirs.run(kCheckSteps).seconds) / kCheckSteps;
  Measured measured;
  measured.steps = steps_for(options.seconds, slower);
  const auto tokens = static_cast<double>(measured.steps * settings.train.batch_size *
                                          settings.model.context_length);
  const auto rounds = interleave(options.rounds,
                                 {[&] { return tokens / ours.run(measured.steps).seconds; },
                                  [&] { return tokens / theirs.run(measured.steps).seconds; }},
                                 host.progress ? host.progress(title(job)) : Progressed{});
  measured.ours = rounds[0];
  measured.theirs = rounds[1];
  measured.our_bytes = ours.planned_bytes();
  measured.their_bytes = theirs.peak_bytes();
  measured.facts = theirs.facts();
  return measured;
}

MedianInterval ratio_of(const Measured& measured) {
  std::vector<double> ratios;
  for (size_t round = 0; round < measured.ours.size(); ++round)
    ratios.push_back(measured.ours[round] / measured.theirs[round]);
  return median_interval(ratios);
}

Json trials_json(const PeersOptions& options, const TuningSearch& search) {
  Json trials = Json::array();
  for (const TuningTrial& trial : search.trials)
    trials.push_back({{"tuning", tuning_text(options.questions, trial.tuning)},
                      {"environment", tuning_environment(trial.tuning)},
                      {"tokens_per_second", trial.speed}});
  return trials;
}

void add_results(const PeerJob& job, const RunSettings& settings, const PeersOptions& options,
                 const TuningSearch& search, const Measured& measured, Report& report) {
  const MedianInterval ratio = ratio_of(measured);
  const Json shape = {{"batch", settings.train.batch_size},
                      {"context", settings.model.context_length},
                      {"dropout", settings.model.dropout}};
  Result ours{title(job) + " cllm", "tokens/s", Better::kHigher, measured.ours, shape};
  ours.extra["memory_bytes"] = measured.our_bytes;
  ours.extra["ratio"] = ratio.median;
  ours.extra["ratio_low"] = ratio.low;
  ours.extra["ratio_high"] = ratio.high;
  ours.extra["confidence_share"] = ratio.confidence;
  Result theirs{title(job) + " pytorch", "tokens/s", Better::kHigher, measured.theirs, shape};
  theirs.extra["memory_bytes"] = measured.their_bytes;
  theirs.extra["peer"] = {{"facts", measured.facts},
                          {"tuning", tuning_text(options.questions, search.best.tuning)},
                          {"environment", tuning_environment(search.best.tuning)},
                          {"trials", trials_json(options, search)},
                          {"steps_per_turn", measured.steps}};
  report.results.push_back(ours);
  report.results.push_back(theirs);
  std::string note = fmt::format(
      "{}: ours: threads {}; PyTorch {}; {}", title(job),
      settings.parallel.mode == ParallelSettings::Mode::kBatch ? "by shards of the batch"
                                                               : "inside operations",
      measured.facts.value("torch", "?"), tuning_text(options.questions, search.best.tuning));
  if (search.trials.size() > 1)
    note += fmt::format("; {:.2f} times its speed as installed",
                        search.best.speed / search.trials.front().speed);
  report.notes.push_back(note);
}

}  // namespace

void run_peers(const PeerJob& job, const PeersOptions& options, const PeersHost& host,
               Report& report) {
  PeerJob plain = job;
  plain.dropout = 0;  // the two draw different masks
  const RunSettings settings = tuned(peer_settings(job), host);
  RunSettings plain_settings = peer_settings(plain);
  plain_settings.parallel = settings.parallel;
  const Curve curve = first_steps(plain_settings, host);
  const TuningSearch search = tune(options.questions, [&](const Tuning& tuning) {
    return try_tuning(plain, plain_settings, options, host, curve, tuning);
  });
  const Measured measured = measure(job, settings, options, host, search.best.tuning);
  add_results(job, settings, options, search, measured, report);
}

}  // namespace cllm::bench
