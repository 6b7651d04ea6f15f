#include "train/ablation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "base/units.h"

namespace cllm {
namespace {

// 97.5 % quantiles of Student's t with 1 ... 30 degrees of freedom.
constexpr double kStudent[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                               2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
                               2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
                               2.060,  2.056, 2.052, 2.048, 2.045, 2.042};

double student(size_t degrees) {
  return kStudent[std::min(degrees, std::size(kStudent)) - 1];
}

std::string interval_text(const MeanInterval& interval) {
  if (!std::isfinite(interval.half_width)) return fmt::format("{:.4f}", interval.mean);
  return fmt::format("{:.4f} ± {:.4f}", interval.mean, interval.half_width);
}

std::vector<double> differences(const std::vector<double>& a, const std::vector<double>& b) {
  CHECK_MSG(a.size() == b.size(), "{} and {} seeds", a.size(), b.size());
  std::vector<double> result;
  for (size_t i = 0; i < a.size(); ++i)
    result.push_back(a[i] - b[i]);
  return result;
}

double seconds_of(const ArmRun& run) {
  return run.metrics.steps.empty() ? 0 : run.metrics.steps.back().seconds;
}

double mean_seconds(const std::vector<ArmRun>& runs) {
  double sum = 0;
  for (const ArmRun& run : runs)
    sum += seconds_of(run);
  return sum / static_cast<double>(runs.size());
}

// What an arm's seconds are more than the baseline's, as a share of those, seed by seed.
std::vector<double> extra_time(const std::vector<ArmRun>& own, const std::vector<ArmRun>& base) {
  CHECK_MSG(own.size() == base.size(), "{} and {} seeds", own.size(), base.size());
  std::vector<double> shares;
  for (size_t i = 0; i < own.size(); ++i)
    shares.push_back(seconds_of(own[i]) / seconds_of(base[i]) - 1);
  return shares;
}

double total_flops(const ArmRun& run) {
  return run.metrics.steps.empty()
             ? 0
             : run.flops_per_token * static_cast<double>(run.metrics.steps.back().tokens);
}

// What begins alike in all arms, for every seed.
struct Equality {
  bool order = true;
  std::set<std::string> shared, different, not_shared;  // names of parameters; different: of shared
};

Equality equality_of(const AblationResult& result) {
  Equality equality;
  for (size_t seed = 0; seed < result.runs.front().size(); ++seed) {
    std::map<std::string, std::map<std::string, size_t>> hashes;  // name -> hash -> arms
    for (const auto& arm : result.runs) {
      equality.order &= arm[seed].order_hash == result.runs.front()[seed].order_hash;
      for (const auto& [name, hash] : arm[seed].initial_hashes)
        ++hashes[name][hash];
    }
    for (const auto& [name, arms_of] : hashes) {
      size_t arms = 0;
      for (const auto& [hash, count] : arms_of)
        arms += count;
      (arms == result.runs.size() ? equality.shared : equality.not_shared).insert(name);
      if (arms == result.runs.size() && arms_of.size() > 1) equality.different.insert(name);
    }
  }
  return equality;
}

std::string equality_text(const AblationResult& result) {
  const Equality equality = equality_of(result);
  std::string text = fmt::format(
      "Equal in all arms, seed by seed, as the runs recorded them: the order of the data ({}); "
      "the first values of {} of the "
      "{} parameters that all arms have{}.",
      equality.order ? "yes, hashes below" : "NO: the figures do not compare",
      equality.shared.size() - equality.different.size(), equality.shared.size(),
      equality.different.empty() ? "" : " (the others differ in shape or place)");
  if (!equality.not_shared.empty())
    text += fmt::format(" Only in some arms: {}.", fmt::join(equality.not_shared, ", "));
  return text;
}

std::string sentence(const AblationResult& result, size_t arm) {
  const std::vector<double> base = final_losses(result.runs.front());
  const std::vector<double> own = final_losses(result.runs[arm]);
  const MeanInterval difference = mean_interval(differences(own, base));
  const std::string& name = result.ablation.arms[arm].name;
  const std::string& baseline = result.ablation.arms.front().name;
  if (own.size() < 2)
    return fmt::format(
        "{} {} against {}: one seed tells nothing about noise; {:+.4f} nats per "
        "token.",
        name, result.ablation.claim, baseline, difference.mean);
  return fmt::format("{} {} against {}: **{}**, {:+.4f} ± {:.4f} nats per token at equal steps.",
                     name, result.ablation.claim, baseline, verdict_name(judge_lower(own, base)),
                     difference.mean, difference.half_width);
}

// Whether an arm takes less time than the baseline: shares more than it, seed by seed.
Verdict judge_time(const std::vector<double>& extra) {
  return judge_lower(extra, std::vector<double>(extra.size(), 0.0));
}

nlohmann::ordered_json time_claim(const AblationResult& result, size_t arm) {
  const std::vector<double> extra = extra_time(result.runs[arm], result.runs.front());
  const MeanInterval share = mean_interval(extra);
  return {{"extra_time", share.mean},
          {"extra_time_half_width", share.half_width},
          {"time_verdict", verdict_name(judge_time(extra))}};
}

// All arms take equally many tokens.
std::string time_sentence(const AblationResult& result, size_t arm) {
  const std::vector<double> extra = extra_time(result.runs[arm], result.runs.front());
  const MeanInterval share = mean_interval(extra);
  const std::string claim =
      fmt::format("{} takes less time per token than {}", result.ablation.arms[arm].name,
                  result.ablation.arms.front().name);
  if (extra.size() < 2)
    return fmt::format("{}: one seed tells nothing about noise; {:+.1f} %.", claim,
                       100 * share.mean);
  return fmt::format("{}: **{}**, {:+.1f} ± {:.1f} % of its time.", claim,
                     verdict_name(judge_time(extra)), 100 * share.mean, 100 * share.half_width);
}

}  // namespace

MeanInterval mean_interval(const std::vector<double>& values) {
  CHECK(!values.empty());
  const auto count = static_cast<double>(values.size());
  MeanInterval result;
  for (const double value : values)
    result.mean += value / count;
  if (values.size() == 1) return {result.mean, std::numeric_limits<double>::infinity()};
  double squares = 0;
  for (const double value : values)
    squares += (value - result.mean) * (value - result.mean);
  result.half_width = student(values.size() - 1) * std::sqrt(squares / (count - 1) / count);
  return result;
}

Verdict judge_lower(const std::vector<double>& first, const std::vector<double>& second) {
  const MeanInterval difference = mean_interval(differences(first, second));
  if (difference.mean + difference.half_width < 0) return Verdict::kSupported;
  if (difference.mean - difference.half_width > 0) return Verdict::kRefuted;
  return Verdict::kWithinNoise;
}

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "supported";
    case Verdict::kRefuted:
      return "refuted";
    case Verdict::kWithinNoise:
      break;
  }
  return "within noise";
}

std::vector<double> final_losses(const std::vector<ArmRun>& runs) {
  std::vector<double> losses;
  for (const ArmRun& run : runs) {
    CHECK(!run.metrics.evaluations.empty());
    losses.push_back(run.metrics.evaluations.back().loss);
  }
  return losses;
}

std::string ablation_markdown(const AblationResult& result, const std::string& command) {
  const size_t seeds = result.runs.front().size();
  std::string text =
      fmt::format("# Ablation: {}\n\n`{}`\n\n{} steps, {} seed{}.\n\n", result.ablation.name,
                  command, result.steps, seeds, seeds == 1 ? "" : "s");
  for (size_t arm = 1; arm < result.runs.size(); ++arm) {
    text += "- " + sentence(result, arm) + "\n";
    if (result.ablation.claims_time) text += "- " + time_sentence(result, arm) + "\n";
  }
  text +=
      "\n| arm | settings | parameters | FLOPs | seconds | held-out loss (95 % interval) | against "
      "the first, seed by seed |\n|---|---|---|---|---|---|---|\n";
  const std::vector<double> base = final_losses(result.runs.front());
  for (size_t arm = 0; arm < result.runs.size(); ++arm) {
    const std::vector<ArmRun>& runs = result.runs[arm];
    const std::vector<double> own = final_losses(runs);
    text += fmt::format(
        "| {} | `{}` | {} | {:.3g} | {:.1f} | {} | {} |\n", result.ablation.arms[arm].name,
        fmt::join(result.ablation.arms[arm].assignments, " "),
        format_count(static_cast<double>(runs.front().parameters)), total_flops(runs.front()),
        mean_seconds(runs), interval_text(mean_interval(own)),
        arm == 0 ? "" : interval_text(mean_interval(differences(own, base))));
  }
  text += "\nIntervals are 95 %, by Student's t over the seeds. Seconds are of training alone.\n\n";
  text += equality_text(result) + "\n\n| seed | order of the data |\n|---|---|\n";
  for (const ArmRun& run : result.runs.front())
    text += fmt::format("| {} | {} |\n", run.seed, run.order_hash);
  text +=
      "\n![by step](loss-by-step.svg)\n![by FLOP](loss-by-flop.svg)\n"
      "![by second](loss-by-second.svg)\n![by parameter](loss-by-parameter.svg)\n";
  return text;
}

std::string ablation_json(const AblationResult& result, const std::string& command) {
  using Json = nlohmann::ordered_json;
  Json arms = Json::array();
  const std::vector<double> base = final_losses(result.runs.front());
  for (size_t arm = 0; arm < result.runs.size(); ++arm) {
    Json runs = Json::array();
    for (const ArmRun& run : result.runs[arm]) {
      Json curve = Json::array();
      for (const EvalRecord& record : run.metrics.evaluations)
        curve.push_back({{"step", record.step}, {"loss", record.loss}});
      runs.push_back({{"seed", run.seed},
                      {"seconds", seconds_of(run)},
                      {"order_hash", run.order_hash},
                      {"initial_hashes", run.initial_hashes},
                      {"evaluations", curve}});
    }
    const std::vector<double> own = final_losses(result.runs[arm]);
    Json entry = {{"name", result.ablation.arms[arm].name},
                  {"settings", result.ablation.arms[arm].assignments},
                  {"parameters", result.runs[arm].front().parameters},
                  {"flops", total_flops(result.runs[arm].front())},
                  {"loss", mean_interval(own).mean},
                  {"runs", runs}};
    if (arm > 0) {
      entry["difference"] = mean_interval(differences(own, base)).mean;
      if (own.size() > 1) {
        entry["difference_half_width"] = mean_interval(differences(own, base)).half_width;
        entry["verdict"] = verdict_name(judge_lower(own, base));
        if (result.ablation.claims_time) entry.update(time_claim(result, arm));
      }
    }
    arms.push_back(entry);
  }
  return Json{{"ablation", result.ablation.name},
              {"claim", result.ablation.claim},
              {"command", command},
              {"steps", result.steps},
              {"arms", arms}}
             .dump(2) +
         "\n";
}

void write_ablation_report(const AblationResult& result, const std::string& command,
                           const fs::path& folder) {
  write_file(folder / "loss-by-step.svg", ablation_plot(result, PlotAxis::kStep));
  write_file(folder / "loss-by-flop.svg", ablation_plot(result, PlotAxis::kFlops));
  write_file(folder / "loss-by-second.svg", ablation_plot(result, PlotAxis::kSeconds));
  write_file(folder / "loss-by-parameter.svg", ablation_plot(result, PlotAxis::kParameters));
  write_file(folder / "report.json", ablation_json(result, command));
  write_file(folder / "report.md", ablation_markdown(result, command));
}

}  // namespace cllm
