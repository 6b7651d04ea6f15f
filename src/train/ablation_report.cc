#include "train/ablation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "base/units.h"
#include "runlog/axis.h"

namespace cllm {
namespace {

using Json = nlohmann::ordered_json;

std::string interval_text(const MeanInterval& interval) {
  if (!std::isfinite(interval.half_width)) return fmt::format("{:.4f}", interval.mean);
  return fmt::format("{:.4f} ± {:.4f}", interval.mean, interval.half_width);
}

double total_flops(const ArmRun& run) {
  return run.metrics.steps.empty()
             ? 0
             : run.flops_per_token * static_cast<double>(run.metrics.steps.back().tokens);
}

size_t trained_arms(const AblationResult& result) {
  return static_cast<size_t>(
      std::ranges::count_if(result.ablation.arms, [](const AblationArm& a) { return !a.derived; }));
}

// What begins alike in all arms that are trained, for every seed.
struct Equality {
  bool order = true;
  std::set<std::string> shared, different, not_shared;  // names of parameters; different: of shared
};

Equality equality_of(const AblationResult& result) {
  Equality equality;
  const size_t trained = trained_arms(result);
  for (size_t seed = 0; seed < result.runs.front().size(); ++seed) {
    std::map<std::string, std::map<std::string, size_t>> hashes;  // name -> hash -> arms
    for (size_t arm = 0; arm < result.runs.size(); ++arm) {
      if (result.ablation.arms[arm].derived) continue;
      const ArmRun& run = result.runs[arm][seed];
      equality.order &= run.order_hash == result.runs.front()[seed].order_hash;
      for (const auto& [name, hash] : run.initial_hashes)
        ++hashes[name][hash];
    }
    for (const auto& [name, arms_of] : hashes) {
      size_t arms = 0;
      for (const auto& [hash, count] : arms_of)
        arms += count;
      (arms == trained ? equality.shared : equality.not_shared).insert(name);
      if (arms == trained && arms_of.size() > 1) equality.different.insert(name);
    }
  }
  return equality;
}

std::string equality_text(const AblationResult& result) {
  if (trained_arms(result) == 1)
    return fmt::format(
        "Only {} is trained; every other arm is made of its training with the same seed, and "
        "measured on the same held-out text.",
        result.ablation.arms.front().name);
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

// How a figure is told in the table.
std::string cell(Quantity quantity, const std::vector<double>& values) {
  if (values.empty()) return "";
  const MeanInterval interval = mean_interval(values);
  switch (quantity) {
    case Quantity::kLoss:
      return interval_text(interval);
    case Quantity::kSeconds:
      return fmt::format("{:.1f}", interval.mean);
    case Quantity::kBytes:
      return grouped(std::llround(interval.mean));
    case Quantity::kRecall1:
    case Quantity::kRecall40:
      return fmt::format("{:.2f} %", 100 * interval.mean);
    case Quantity::kChoiceSeconds:
      return format_duration(interval.mean);
    case Quantity::kChoiceShare:
      break;
  }
  return fmt::format("{:.3f}", interval.mean);
}

std::string made_by(const AblationArm& arm) {
  if (arm.derived) return description(*arm.derived);
  if (arm.assignments.empty()) return "the settings given";
  return fmt::format("`{}`", fmt::join(arm.assignments, " "));
}

struct Column {
  std::string heading;
  std::function<std::string(size_t)> cell;  // of an arm
};

std::vector<Column> columns_of(const AblationResult& result) {
  const std::vector<AblationArm>& arms = result.ablation.arms;
  const auto first = [&result](size_t arm) -> const ArmRun& { return result.runs[arm].front(); };
  std::vector<Column> columns = {
      {"arm", [&arms](size_t arm) { return arms[arm].name; }},
      {trained_arms(result) < arms.size() ? "made by" : "settings",
       [&arms](size_t arm) { return made_by(arms[arm]); }},
      {"parameters",
       [&arms, first](size_t arm) {
         return arms[arm].derived ? "" : format_count(static_cast<double>(first(arm).parameters));
       }},
      {"FLOPs", [&arms, first](size_t arm) {
         return arms[arm].derived ? "" : fmt::format("{:.3g}", total_flops(first(arm)));
       }}};
  const auto add = [&](Quantity quantity) {
    columns.push_back({text_of(quantity).heading, [&result, quantity](size_t arm) {
                         return cell(quantity, figures_of(result.runs[arm], quantity));
                       }});
  };
  add(Quantity::kSeconds);
  add(Quantity::kBytes);
  add(Quantity::kLoss);
  columns.push_back({"against the first, seed by seed", [&result](size_t arm) {
                       const auto own = figures_of(result.runs[arm], Quantity::kLoss);
                       if (arm == 0 || own.empty()) return std::string();
                       return interval_text(mean_interval(
                           differences(own, figures_of(result.runs.front(), Quantity::kLoss))));
                     }});
  for (const Quantity quantity :
       {Quantity::kRecall1, Quantity::kRecall40, Quantity::kChoiceSeconds, Quantity::kChoiceShare})
    add(quantity);
  return columns;
}

// Columns that say something of an arm.
std::string table_text(const AblationResult& result) {
  std::vector<std::string> lines(result.runs.size() + 2, "|");
  for (const Column& column : columns_of(result)) {
    std::vector<std::string> cells;
    for (size_t arm = 0; arm < result.runs.size(); ++arm)
      cells.push_back(column.cell(arm));
    if (std::ranges::all_of(cells, &std::string::empty)) continue;
    lines[0] += fmt::format(" {} |", column.heading);
    lines[1] += "---|";
    for (size_t arm = 0; arm < cells.size(); ++arm)
      lines[arm + 2] += fmt::format(" {} |", cells[arm]);
  }
  return fmt::format("{}\n", fmt::join(lines, "\n"));
}

struct Picture {
  const char* name;  // "step"
  PlotAxis axis;
};
constexpr Picture kPictures[] = {{"step", PlotAxis::kStep},
                                 {"flop", PlotAxis::kFlops},
                                 {"second", PlotAxis::kSeconds},
                                 {"parameter", PlotAxis::kParameters},
                                 {"byte", PlotAxis::kBytes}};

std::string picture_file(const Picture& picture) {
  return fmt::format("loss-by-{}.svg", picture.name);
}

Json claim_json(const AblationResult& result, const AblationClaim& claim) {
  const ClaimResult judged = judge(result, claim);
  Json json = {{"arm", claim.arm},
               {"against", claim.against},
               {"quantity", text_of(claim.quantity).key},
               {"better", text_of(claim.quantity).lower_is_better ? "lower" : "higher"},
               {"relative", text_of(claim.quantity).relative},
               {"difference", judged.difference.mean}};
  if (!judged.verdict) return json;
  json["difference_half_width"] = judged.difference.half_width;
  json["verdict"] = verdict_name(*judged.verdict);
  return json;
}

Json run_json(const ArmRun& run, bool derived) {
  Json json = {{"seed", run.seed}, {"figures", figures_json(run.figures)}};
  if (derived) return json;
  json["order_hash"] = run.order_hash;
  json["initial_hashes"] = run.initial_hashes;
  json["evaluations"] = Json::array();
  for (const EvalRecord& record : run.metrics.evaluations)
    json["evaluations"].push_back({{"step", record.step}, {"loss", record.loss}});
  return json;
}

Json arm_json(const AblationArm& arm, const std::vector<ArmRun>& runs) {
  Json json = {{"name", arm.name}};
  if (arm.derived) {
    json["source"] = arm.derived->source;
    json["made_by"] = description(*arm.derived);
  } else {
    json["settings"] = arm.assignments;
    json["parameters"] = runs.front().parameters;
    json["flops"] = total_flops(runs.front());
  }
  for (const QuantityText& text : quantities())
    if (const std::vector<double> values = figures_of(runs, text.quantity); !values.empty())
      json[text.key] = mean_interval(values).mean;
  json["runs"] = Json::array();
  for (const ArmRun& run : runs)
    json["runs"].push_back(run_json(run, arm.derived.has_value()));
  return json;
}

// Of every training: the order of its data, and the first values of the parameters that all arms
// have, "-" if there are none.
std::string hashes_text(const AblationResult& result) {
  const Equality equality = equality_of(result);
  std::string text = "| arm | seed | order of the data | first values |\n|---|---|---|---|\n";
  for (size_t arm = 0; arm < result.runs.size(); ++arm) {
    if (result.ablation.arms[arm].derived) continue;
    for (const ArmRun& run : result.runs[arm]) {
      std::string values;
      for (const auto& [name, hash] : run.initial_hashes)
        if (equality.shared.contains(name)) values += hash;
      const std::string hash =
          values.empty() ? "-" : hash64_hex(hash64(values.data(), values.size()));
      text += fmt::format("| {} | {} | {} | {} |\n", result.ablation.arms[arm].name, run.seed,
                          run.order_hash, hash);
    }
  }
  return text;
}

}  // namespace

std::string ablation_markdown(const AblationResult& result, const std::string& command) {
  const size_t seeds = result.runs.front().size();
  std::string text =
      fmt::format("# Ablation: {}\n\n`{}`\n\n{} steps, {} seed{}.\n\n", result.ablation.name,
                  command, result.steps, seeds, seeds == 1 ? "" : "s");
  for (const AblationClaim& claim : result.ablation.claims)
    text += "- " + claim_sentence(result, claim) + "\n";
  text += "\n" + table_text(result);
  text += "\nIntervals are 95 %, by Student's t over the seeds. Seconds are of training alone.\n\n";
  text += equality_text(result) + "\n\n" + hashes_text(result) + "\n";
  for (const Picture& picture : kPictures)
    text += fmt::format("![by {}]({})\n", picture.name, picture_file(picture));
  return text;
}

std::string ablation_json(const AblationResult& result, const std::string& command) {
  Json claims = Json::array(), arms = Json::array();
  for (const AblationClaim& claim : result.ablation.claims)
    claims.push_back(claim_json(result, claim));
  for (size_t arm = 0; arm < result.runs.size(); ++arm)
    arms.push_back(arm_json(result.ablation.arms[arm], result.runs[arm]));
  return Json{{"ablation", result.ablation.name},
              {"command", command},
              {"steps", result.steps},
              {"claims", claims},
              {"arms", arms}}
             .dump(2) +
         "\n";
}

void write_ablation_report(const AblationResult& result, const std::string& command,
                           const fs::path& folder) {
  for (const Picture& picture : kPictures)
    write_file(folder / picture_file(picture), ablation_plot(result, picture.axis));
  write_file(folder / "report.json", ablation_json(result, command));
  write_file(folder / "report.md", ablation_markdown(result, command));
}

}  // namespace cllm
