#include "bench/operations.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/limits.h"
#include "bench/operation_cases.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.03;  // of one measurement at least

struct Job {
  const BenchPreset* preset;
  const Operation* operation;
  std::string name() const { return fmt::format("{} {}", preset->name, operation->name); }
};

std::vector<Job> wanted_jobs(const std::vector<BenchPreset>& presets,
                             const std::vector<std::string>& only) {
  std::vector<Job> jobs;
  for (const BenchPreset& preset : presets)
    for (const Operation& operation : operations()) {
      const bool wanted =
          only.empty() || std::any_of(only.begin(), only.end(), [&](const auto& text) {
            return operation.name.find(text) != std::string::npos;
          });
      if (wanted) jobs.push_back({&preset, &operation});
    }
  return jobs;
}

// What the operation is a share of, measured in its turns: arithmetic if it has products, else the
// bandwidth of a working set as large as its own.
Subject limit_of(const ops::Context& context, const OperationCase& c) {
  const int threads = context.pool.size();
  if (c.flops > 0) {
    const kernels::PeakLoop* loop =
        kernels::peak_loop(kernels::PeakKind::kFp32, context.kernels.name);
    if (loop != nullptr)
      return [&context, threads, loop] { return measure_peak(context.pool, threads, *loop); };
  }
  const auto problem = std::make_shared<StreamProblem>(context, threads, c.bytes / threads);
  return [problem] { return problem->measure(Stream::kCopy); };
}

void measure_job(const ops::Context& context, const Job& job, int rounds,
                 const Progressed& progress, Report& report) {
  const OperationCase c = job.operation->make(context, *job.preset, bench_model(*job.preset));
  c.run();  // warms up
  std::vector<std::vector<double>> figures = interleave(
      rounds, {[&] { return seconds_per_call(kSeconds, c.run); }, limit_of(context, c)}, progress);
  const double seconds = spread(figures[0]).median;
  const auto rates = [&](double work) {  // giga per second, by round
    std::vector<double> all;
    for (const double taken : figures[0])
      all.push_back(1e-9 * work / taken);
    return all;
  };
  const std::vector<double> bandwidths = rates(static_cast<double>(c.bytes));
  Json extra = {{"ns_per_element", 1e9 * seconds / static_cast<double>(c.elements)},
                {"GB/s", spread(bandwidths).median}};
  if (c.flops > 0) {
    extra["GFLOP/s"] = spread(rates(c.flops)).median;
    extra["peak_share"] = median_ratio(rates(c.flops), figures[1]);
  } else {
    extra["bandwidth_share"] = median_ratio(bandwidths, figures[1]);
  }
  report.results.push_back({job.name(), "s", Better::kLower, std::move(figures[0]), extra});
}

}  // namespace

std::vector<std::string> operation_names() {
  std::vector<std::string> names;
  for (const Operation& operation : operations())
    names.push_back(operation.name);
  return names;
}

void measure_operations(const ops::Context& context, const std::vector<BenchPreset>& presets,
                        const std::vector<std::string>& only, int rounds,
                        const Progressed& progress, Report& report) {
  const std::vector<Job> jobs = wanted_jobs(presets, only);
  const auto count = static_cast<int64_t>(jobs.size());
  for (int64_t i = 0; i < count; ++i)
    measure_job(
        context, jobs[static_cast<size_t>(i)], rounds,
        [&](int64_t done, int64_t total) {
          if (progress) progress(i * total + done, count * total);
        },
        report);
}

}  // namespace cllm::bench
