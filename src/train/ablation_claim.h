// What seeds say of a claim: the mean difference of two arms with its interval, and whether it is
// told from noise.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/ablation.h"

namespace cllm {

// A mean and the half width of its 95 % interval by Student's t, assuming that seeds scatter
// normally; the half width is infinite for a single value. values is not empty.
struct MeanInterval {
  double mean = 0, half_width = 0;
};
MeanInterval mean_interval(const std::vector<double>& values);

enum class Verdict { kSupported, kRefuted, kWithinNoise };
// Of "the first is lower", seed by seed: kSupported or kRefuted if the interval of the mean
// difference excludes 0.
Verdict judge_lower(const std::vector<double>& first, const std::vector<double>& second);
const char* verdict_name(Verdict verdict);  // "supported", "refuted", "within noise"

// a - b, seed by seed; equally many.
std::vector<double> differences(const std::vector<double>& a, const std::vector<double>& b);

// A figure of an arm by seed; empty if the arm has none.
std::vector<double> figures_of(const std::vector<ArmRun>& runs, Quantity quantity);

struct ClaimResult {
  MeanInterval difference;         // as QuantityText tells it: absolute, or a share of the other's
  std::optional<Verdict> verdict;  // none of a single seed
};
// Both arms have the quantity.
ClaimResult judge(const AblationResult& result, const AblationClaim& claim);

// One sentence: "a lowers the held-out loss against b: **supported**, -0.1 ± 0.01 nats per token."
std::string claim_sentence(const AblationResult& result, const AblationClaim& claim);

}  // namespace cllm
