// The picture of a run, report.svg: loss (training and held-out), learning rate and throughput over
// the steps. Self-contained: no scripts, no external fonts.
#pragma once

#include <cstdint>
#include <string>

#include "runlog/metrics.h"
#include "runlog/run_folder.h"

namespace cllm {

// What the heading says beyond what the metrics know.
struct RunSummary {
  std::string name;
  int64_t parameters = 0;  // 0 = unknown, not shown
};

// The SVG document; any metrics give a well-formed one (none, one record, 100,000, all equal, NaN).
// Its size is bounded whatever the number of records. Non-finite values are gaps.
std::string render_report(const RunSummary& summary, const Metrics& metrics);

// report.svg from metrics.jsonl and env.json ("parameters"), atomically.
void write_report(const RunFolder& folder);

}  // namespace cllm
