#include "bench/locality_tiles.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "bench/gemm.h"
#include "bench/operation_cases.h"
#include "bench/text_table.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.03;  // of one measurement at least

ops::Context with_tiles(const ops::Context& context, ops::TileOrder order) {
  ops::Context copy = context;
  copy.tiles = order;
  return copy;
}

using Rows = std::vector<std::vector<std::string>>;

Rows heading(const std::string& title) {
  return {{title, "straight", "hilbert", "hilbert against straight (quartiles)"}};
}

std::string figure(const std::vector<double>& samples) {
  return format_figure(spread(samples).median);
}

// Two ways of the same floating-point operations take turns.
void measure_pair(const std::string& name, double flops, const std::function<void()>& straight,
                  const std::function<void()>& hilbert, int rounds, const Progressed& progress,
                  Report& report, Rows& table) {
  const auto rate = [flops](const std::function<void()>& run) {
    return 1e-9 * flops / seconds_per_call(kSeconds, run);
  };
  const auto figures =
      interleave(rounds, {[&] { return rate(straight); }, [&] { return rate(hilbert); }}, progress);
  std::vector<double> ratios;
  for (size_t i = 0; i < figures[0].size(); ++i)
    ratios.push_back(figures[1][i] / figures[0][i]);
  const Spread ratio = spread(ratios);
  report.results.push_back({name + ", straight", "GFLOP/s", Better::kHigher, figures[0]});
  const Json extra = {{"against_straight", ratio.median}};
  report.results.push_back({name + ", hilbert", "GFLOP/s", Better::kHigher, figures[1], extra});
  table.push_back({name, figure(figures[0]), figure(figures[1]),
                   fmt::format("{:.3f} ({:.3f}-{:.3f})", ratio.median, ratio.low, ratio.high)});
}

// A hash of C after one run on a cleared C, in both precisions.
std::pair<uint64_t, uint64_t> result_of(const ops::Context& context, GemmProblem& problem,
                                        const std::function<void()>& run) {
  problem.clear(context);
  run();
  const auto count = static_cast<size_t>(problem.shape.m * problem.shape.n);
  return {hash64(problem.c.data(), count * sizeof(float)),
          hash64(problem.c16.data(), count * sizeof(uint16_t))};
}

}  // namespace

void measure_product_tiles(const ops::Context& context, const std::vector<GemmShape>& shapes,
                           int rounds, const Progressed& progress, Report& report) {
  const ops::Context straight = with_tiles(context, ops::TileOrder::kStraight);
  const ops::Context hilbert = with_tiles(context, ops::TileOrder::kHilbert);
  const std::vector<GemmVariant> one = gemm_variants(straight, {}),
                                 two = gemm_variants(hilbert, {});
  Rows table = heading("products, GFLOP/s");
  const int64_t jobs = std::ssize(shapes) * std::ssize(one);
  int64_t job = 0;
  for (const GemmShape& shape : shapes) {
    GemmProblem problem(context, shape);
    for (size_t i = 0; i < one.size(); ++i, ++job) {
      const auto run_straight = one[i].prepare(problem), run_hilbert = two[i].prepare(problem);
      const std::string name = fmt::format("{} {}", shape.name(), one[i].bf16 ? "bf16" : "fp32");
      CHECK_MSG(
          result_of(context, problem, run_straight) == result_of(context, problem, run_hilbert),
          "{}: the orders of tiles differ", name);
      measure_pair(
          name, shape.flops(), run_straight, run_hilbert, rounds,
          [&](int64_t done, int64_t total) {
            if (progress) progress(job * total + done, jobs * total);
          },
          report, table);
    }
  }
  report.table += (report.table.empty() ? "" : "\n") + text_table(table);
}

void measure_attention_tiles(const ops::Context& context, const std::vector<BenchPreset>& presets,
                             int rounds, const Progressed& progress, Report& report) {
  const ops::Context straight = with_tiles(context, ops::TileOrder::kStraight);
  const ops::Context hilbert = with_tiles(context, ops::TileOrder::kHilbert);
  const auto& all = operations();
  const auto forward = std::find_if(all.begin(), all.end(), [](const Operation& operation) {
    return operation.name == "attention forward";
  });
  CHECK(forward != all.end());
  Rows table = heading("attention forward, GFLOP/s");
  int64_t job = 0;
  for (const BenchPreset& preset : presets) {
    const ModelConfig model = bench_model(preset);
    const OperationCase one = forward->make(straight, preset, model);
    const OperationCase two = forward->make(hilbert, preset, model);
    measure_pair(
        fmt::format("{} attention forward", preset.name), one.flops, one.run, two.run, rounds,
        [&](int64_t done, int64_t total) {
          if (progress) progress(job * total + done, std::ssize(presets) * total);
        },
        report, table);
    ++job;
  }
  report.table += (report.table.empty() ? "" : "\n") + text_table(table);
}

}  // namespace cllm::bench
