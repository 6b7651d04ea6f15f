// What is measured during a run: the records, their form in metrics.jsonl (one JSON object per
// line, the truth) and in metrics.csv (for spreadsheets, made from it). Numbers are printed in the
// shortest form that reads back as the same double; non-finite ones are the strings "NaN",
// "Infinity" and "-Infinity", since JSON has no such numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "runlog/run_folder.h"

namespace cllm {

// One optimizer step.
struct StepRecord {
  int64_t step = 0;              // steps done, 1 after the first
  double loss = 0;               // nats per token, mean over the step's batch
  double learning_rate = 0;      // used by this step
  double gradient_norm = 0;      // global L2 norm before clipping
  double tokens_per_second = 0;  // of this step
  int64_t tokens = 0;            // trained on since the start of the run
  double seconds = 0;            // training time since the start of the run, resumes included
};

// One evaluation on held-out text.
struct EvalRecord {
  int64_t step = 0;
  double loss = 0;  // nats per token
  double perplexity = 0;
  double bits_per_byte = 0;
};

// Anything else worth a line: a change of learning rate, a checkpoint, a resume, an early stop.
struct EventRecord {
  int64_t step = 0;
  std::string text;
};

// Each in the order of the file.
struct Metrics {
  std::vector<StepRecord> steps;
  std::vector<EvalRecord> evaluations;
  std::vector<EventRecord> events;
};

// The part of a metrics file that is whole: up to and including its last newline. A crash can tear
// the last line; what follows the last newline is never read.
std::string_view whole_lines(std::string_view text);

// The step of one line. Error (kData) that names `where` and the line if it is not a record.
int64_t record_step(std::string_view line, const std::string& where, int64_t line_number);

// Reads metrics.jsonl; a torn last line is ignored. Error (kData) with file and line otherwise.
Metrics read_metrics(const fs::path& path);

// The records as CSV (RFC 4180): one header, then by step; cells a kind does not have are empty.
std::string metrics_csv(const Metrics& metrics);

// metrics.csv from metrics.jsonl, atomically.
void write_metrics_csv(const RunFolder& folder);

}  // namespace cllm
