// What an ablation shows: losses of the arms with confidence intervals, a verdict on each claim,
// curves by step, by floating-point operation and by second of the arms that were trained, and the
// losses by parameter and by byte.
#pragma once

#include <string>

#include "base/file.h"
#include "train/ablation_claim.h"

namespace cllm {

// The report as Markdown and as JSON, and the picture of one of its plots.
std::string ablation_markdown(const AblationResult& result, const std::string& command);
std::string ablation_json(const AblationResult& result, const std::string& command);
enum class PlotAxis { kStep, kFlops, kSeconds, kParameters, kBytes };
std::string ablation_plot(const AblationResult& result, PlotAxis axis);

// report.md, report.json and loss-by-*.svg in `folder`, each atomically. Error (kRuntime).
void write_ablation_report(const AblationResult& result, const std::string& command,
                           const fs::path& folder);

}  // namespace cllm
