#include "bench/step.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "base/memory.h"
#include "base/units.h"
#include "bench/step_worker.h"
#include "bench/text_table.h"

namespace cllm::bench {
namespace {

Json ask(Worker& worker, const std::string& request, const Idle& idle) {
  return Json::parse(worker.ask(request, idle));
}

// One case with its process and what it has told.
struct Running {
  const StepCase* step;
  std::unique_ptr<Worker> worker;
  std::vector<double> peaks;
};

Result result_of(const Running& running, const Json& ready, const Json& profile,
                 std::vector<double> seconds) {
  const double tokens = ready.at("tokens_per_step").get<double>();
  const double flops = ready.at("flops_per_token").get<double>();
  const double peak = spread(running.peaks).median;
  const double step_seconds = spread(seconds).median;
  std::vector<double> rates;  // GFLOP/s of every turn
  for (double& value : seconds) {
    rates.push_back(1e-9 * flops * tokens / value);
    value = tokens / value;
  }
  Json extra = {{"step_seconds", step_seconds},
                {"threads", ready.at("threads")},
                {"GFLOP/s", spread(rates).median}};
  if (peak > 0) extra["peak_share"] = median_ratio(rates, running.peaks);
  extra["planned_bytes"] = ready.at("planned_bytes");
  extra["resident_bytes"] = profile.at("resident_bytes");
  extra["peak"] = Json::array({peak});
  extra["time_by_operation"] = profile.at("operations");
  extra["time_by_operation"]["other"] = profile.at("seconds").get<double>() - [&] {
    double sum = 0;
    for (const auto& value : profile.at("operations"))
      sum += value.get<double>();
    return sum;
  }();
  return {running.step->name, "tokens/s", Better::kHigher, std::move(seconds), extra};
}

// Measures cases that are resident together.
void measure_together(const std::vector<const StepCase*>& cases, int rounds,
                      const Progressed& progress, Report& report) {
  std::vector<Running> all;
  for (const StepCase* step : cases)
    all.push_back(
        {step, std::make_unique<Worker>([step] { return serve_steps(step->settings); }), {}});
  int64_t done = 0, total = rounds * static_cast<int64_t>(cases.size());
  const Idle idle = [&] {
    if (progress) progress(done, total);
  };
  std::vector<Json> ready;
  for (Running& running : all)
    ready.push_back(ask(*running.worker, "ready", idle));
  std::vector<Subject> subjects;
  for (Running& running : all)
    subjects.push_back([&running, &idle] {
      const Json turn = ask(*running.worker, "turn", idle);
      running.peaks.push_back(turn.at("peak").get<double>());
      return turn.at("seconds").get<double>();
    });
  const auto figures = interleave(rounds, subjects, [&](int64_t now, int64_t of) {
    done = now, total = of;
    idle();
  });
  for (size_t i = 0; i < all.size(); ++i)
    report.results.push_back(
        result_of(all[i], ready[i], ask(*all[i].worker, "profile", idle), figures[i]));
}

// Rows are operations, columns the cases, in percent of the step's time.
std::string time_table(const Report& report) {
  std::vector<std::string> names;
  for (const Result& result : report.results)
    for (const auto& [name, seconds] : result.extra.at("time_by_operation").items())
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  std::vector<std::vector<std::string>> rows = {{"share of a step"}};
  for (const Result& result : report.results)
    rows[0].push_back(result.name);
  for (const std::string& name : names) {
    rows.push_back({name});
    for (const Result& result : report.results) {
      const Json& times = result.extra.at("time_by_operation");
      double sum = 0;
      for (const auto& value : times)
        sum += value.get<double>();
      rows.back().push_back(times.contains(name)
                                ? fmt::format("{:.1f} %", 100 * times.at(name).get<double>() / sum)
                                : "-");
    }
  }
  return text_table(rows);
}

}  // namespace

void measure_steps(const std::vector<StepCase>& cases, int rounds, const Progressed& progress,
                   Report& report) {
  const int64_t available = available_memory();
  int64_t together = 0;
  for (const StepCase& step : cases) {
    const int64_t bytes = planned_step_bytes(step.settings);
    require_available("", step.name, bytes, "choose a smaller batch or model");
    together += bytes;
  }
  std::vector<const StepCase*> all;
  for (const StepCase& step : cases)
    all.push_back(&step);
  if (together <= available) {
    measure_together(all, rounds, progress, report);
  } else {
    report.notes.push_back(fmt::format(
        "Together the cases need {}, more than the {} available: measured one after the other.",
        format_bytes(static_cast<double>(together)), format_bytes(static_cast<double>(available))));
    for (const StepCase* step : all)
      measure_together({step}, rounds, progress, report);
  }
  report.notes.push_back(
      "peak share: FLOP/s of the model (without recomputation) of the measured peak of its "
      "precision.");
  report.table = results_table(report) + "\n" + time_table(report);
}

}  // namespace cllm::bench
