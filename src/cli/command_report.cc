// cllm report: the picture, the table and the summary of a run.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/units.h"
#include "cli/program.h"
#include "runlog/metrics.h"
#include "runlog/report.h"
#include "runlog/run_folder.h"
#include "runlog/series.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;

double median_rate(const Metrics& metrics) {
  Series rates;
  for (const StepRecord& record : metrics.steps)
    rates.push_back({static_cast<double>(record.step), record.tokens_per_second});
  const std::vector<double> values = sorted_values(rates);
  return values.empty() ? 0 : quantile(values, 0.5);
}

const EvalRecord* best_evaluation(const Metrics& metrics) {
  const EvalRecord* best = nullptr;
  for (const EvalRecord& record : metrics.evaluations)
    if (best == nullptr || record.loss < best->loss) best = &record;
  return best;
}

int report(const std::string& run, ActionContext& context) {
  const RunFolder folder = RunFolder::open(run);
  const Metrics metrics = read_metrics(folder.metrics());
  if (metrics.steps.empty())
    throw Error(ErrorKind::kData, run, "has no step yet", "wait for the first, or resume the run");
  write_metrics_csv(folder);
  write_report(folder);
  const StepRecord& last = metrics.steps.back();
  const EvalRecord* best = best_evaluation(metrics);
  if (context.global.json) {
    Json json = {{"steps", last.step},
                 {"tokens", last.tokens},
                 {"seconds", last.seconds},
                 {"tokens_per_second", median_rate(metrics)},
                 {"training_loss", last.loss},
                 {"report", folder.report().string()},
                 {"csv", folder.metrics_csv().string()}};
    json["best"] =
        best == nullptr ? Json(nullptr) : Json{{"step", best->step}, {"loss", best->loss}};
    context.out.json(json);
    return 0;
  }
  Output& out = context.out;
  out.print("steps               {} ({} tokens, {})\n", last.step,
            format_count(static_cast<double>(last.tokens)), format_duration(last.seconds));
  out.print("speed               {} (median)\n", format_rate(median_rate(metrics), "tokens"));
  out.print("training loss       {:.4f}\n", last.loss);
  if (best != nullptr)
    out.print("best held-out loss  {:.4f} at step {} ({:.3f} bits per byte)\n", best->loss,
              best->step, best->bits_per_byte);
  out.print("report              {}\n", folder.report().string());
  out.print("table               {}\n", folder.metrics_csv().string());
  return 0;
}

}  // namespace

void add_report(Program& program) {
  CLI::App* command =
      add_command(program, program.app, "report", "Draw the curves of a run and sum it up",
                  "  cllm report runs/demo\n  cllm report runs/demo --json");
  auto run = std::make_shared<std::string>();
  command->add_option("RUN", *run, "folder of the run")->required();
  command->callback([&program, run] {
    program.action = [run](ActionContext& context) { return report(*run, context); };
  });
}

}  // namespace cllm::cli
