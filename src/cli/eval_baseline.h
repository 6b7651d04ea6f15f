// `cllm eval --baseline`: its options, what it measures, and how that is shown.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "cli/output.h"
#include "text/tokenizer.h"
#include "train/baseline.h"

namespace cllm::cli {

struct BaselineOptions {
  std::string kind;  // "kn", or none
  int order = 6;

  // --baseline and --order.
  void add_to(CLI::App& command);
  bool given() const { return !kind.empty(); }
};

// One measurement of the baseline, or the model's own beside it.
struct EvaluationRow {
  std::string name;     // "modified Kneser-Ney"
  std::string history;  // what a token is predicted from: "window" or "text"
  Evaluation result;
};

struct BaselineReport {
  int order = 0;
  int64_t fitted_tokens = 0;
  std::vector<EvaluationRow> rows;
  std::vector<float> losses;            // of the modified form in the windows, one per target
  std::vector<double> mixture_weights;  // the model's, if it was mixed with that form
};

// Fits on `train` and measures both forms of Kneser-Ney on `text`: in `windows` (as an evaluation
// with this limit; none if null) and continuously.
BaselineReport measure_baseline(const BaselineOptions& options, TokenView train, TokenView text,
                                const EvalWindows* windows, int64_t limit,
                                const Tokenizer& tokenizer, Log& log);

// Adds what the model and the modified form predict together (train/mixture.h). losses: the
// model's, one per target of the windows; result: of all of them.
void add_mixture(std::span<const float> losses, const Evaluation& result, BaselineReport& report);

nlohmann::ordered_json baseline_json(const BaselineReport& report);
// A table with a row for the model, if it is not null, and the baseline's rows. context: tokens per
// window, 0 if there are none.
void print_baseline(const BaselineReport& report, const Evaluation* model, int64_t context,
                    Output& out);

}  // namespace cllm::cli
