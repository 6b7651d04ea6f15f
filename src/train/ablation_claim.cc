#include "train/ablation_claim.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "base/check.h"

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

const std::vector<ArmRun>& runs_of(const AblationResult& result, const std::string& name) {
  const auto arm = std::ranges::find(result.ablation.arms, name, &AblationArm::name);
  CHECK_MSG(arm != result.ablation.arms.end(), "no arm {}", name);
  return result.runs[static_cast<size_t>(arm - result.ablation.arms.begin())];
}

std::vector<double> seed_by_seed(const AblationResult& result, const AblationClaim& claim,
                                 Quantity quantity) {
  const std::vector<double> own = figures_of(runs_of(result, claim.arm), quantity);
  const std::vector<double> base = figures_of(runs_of(result, claim.against), quantity);
  CHECK_MSG(!own.empty(), "{} has no {}", claim.arm, text_of(quantity).key);
  std::vector<double> values = differences(own, base);
  if (text_of(quantity).relative)
    for (size_t seed = 0; seed < values.size(); ++seed)
      values[seed] /= base[seed];
  return values;
}

bool was_trained(const AblationResult& result, const std::string& name) {
  return !runs_of(result, name).front().metrics.steps.empty();
}

// What belongs beside a difference in loss: how equal the rest was.
std::string circumstances(const AblationResult& result, const AblationClaim& claim) {
  if (claim.quantity != Quantity::kLoss) return "";
  if (was_trained(result, claim.arm) && was_trained(result, claim.against))
    return " at equal steps";
  for (const std::string& name : {claim.arm, claim.against})
    if (figures_of(runs_of(result, name), Quantity::kBytes).empty()) return "";
  const QuantityText& text = text_of(Quantity::kBytes);
  const double share = mean_interval(seed_by_seed(result, claim, Quantity::kBytes)).mean;
  return fmt::format(", its file {:+.{}f} %", text.scale * share, text.decimals);
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

std::vector<double> differences(const std::vector<double>& a, const std::vector<double>& b) {
  CHECK_MSG(a.size() == b.size(), "{} and {} seeds", a.size(), b.size());
  std::vector<double> result;
  for (size_t i = 0; i < a.size(); ++i)
    result.push_back(a[i] - b[i]);
  return result;
}

std::vector<double> figures_of(const std::vector<ArmRun>& runs, Quantity quantity) {
  std::vector<double> values;
  for (const ArmRun& run : runs)
    if (const auto figure = run.figures.find(quantity); figure != run.figures.end())
      values.push_back(figure->second);
  CHECK_MSG(values.empty() || values.size() == runs.size(), "{} of {} seeds have {}", values.size(),
            runs.size(), text_of(quantity).key);
  return values;
}

ClaimResult judge(const AblationResult& result, const AblationClaim& claim) {
  std::vector<double> values = seed_by_seed(result, claim, claim.quantity);
  ClaimResult judged{mean_interval(values), std::nullopt};
  if (values.size() < 2) return judged;
  const std::vector<double> zero(values.size(), 0.0);
  judged.verdict = text_of(claim.quantity).lower_is_better ? judge_lower(values, zero)
                                                           : judge_lower(zero, values);
  return judged;
}

std::string claim_sentence(const AblationResult& result, const AblationClaim& claim) {
  const QuantityText& text = text_of(claim.quantity);
  CHECK_MSG(text.claim != nullptr, "{} is not claimed", text.key);
  const ClaimResult judged = judge(result, claim);
  const auto number = [&](double value) { return fmt::format("{:.{}f}", value, text.decimals); };
  const std::string mean =
      fmt::format("{:+.{}f}", text.scale * judged.difference.mean, text.decimals);
  const std::string rest = fmt::format(" {}{}.", text.unit, circumstances(result, claim));
  const std::string head = fmt::format("{} {} {}: ", claim.arm, text.claim, claim.against);
  if (!judged.verdict) return head + "one seed tells nothing about noise; " + mean + rest;
  return fmt::format("{}**{}**, {} ± {}{}", head, verdict_name(*judged.verdict), mean,
                     number(text.scale * judged.difference.half_width), rest);
}

}  // namespace cllm
