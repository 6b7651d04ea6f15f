// What an ablation shows: losses of the arms with confidence intervals, a verdict on each claim,
// and curves by step, by floating-point operation, by second and by parameter.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
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

// The last held-out loss of every seed of an arm.
std::vector<double> final_losses(const std::vector<ArmRun>& runs);

// The report as Markdown and as JSON, and the picture of one of its plots.
std::string ablation_markdown(const AblationResult& result, const std::string& command);
std::string ablation_json(const AblationResult& result, const std::string& command);
enum class PlotAxis { kStep, kFlops, kSeconds, kParameters };
std::string ablation_plot(const AblationResult& result, PlotAxis axis);

// report.md, report.json and loss-by-*.svg in `folder`, each atomically. Error (kRuntime).
void write_ablation_report(const AblationResult& result, const std::string& command,
                           const fs::path& folder);

}  // namespace cllm
