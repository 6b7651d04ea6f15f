#include "bench/gemm_tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/check.h"
#include "bench/gemm.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.02;  // of one product at least

// Forward, dX and dW of a narrow and a wide layer.
std::vector<GemmShape> tuning_shapes() {
  std::vector<GemmShape> shapes;
  constexpr int64_t N = 2048;
  for (const int64_t C : {384, 768}) {
    const int64_t F = 4 * C;
    shapes.push_back({Product::kForward, N, F, C});
    shapes.push_back({Product::kInputGradient, N, C, F});
    shapes.push_back({Product::kWeightGradient, F, C, N});
  }
  return shapes;
}

// All products with one size of tasks.
class Candidate {
 public:
  Candidate(const ops::Context& context, const ops::GemmBlocking& blocking,
            std::vector<std::unique_ptr<GemmProblem>>& problems)
      : context_(context) {
    context_.blocking = blocking;
    for (const GemmVariant& variant : gemm_variants(context_, {}))
      for (const auto& problem : problems)
        if (auto run = variant.prepare(*problem))
          products_.push_back({problem->shape.flops(), std::move(run)});
  }
  Candidate(const Candidate&) = delete;
  Candidate& operator=(const Candidate&) = delete;

  // GFLOP/s, the geometric mean of the products.
  double measure() const {
    double sum = 0;
    for (const auto& [flops, run] : products_)
      sum += std::log(flops / seconds_per_call(kSeconds, run) * 1e-9);
    return std::exp(sum / static_cast<double>(products_.size()));
  }

 private:
  struct Timed {
    double flops;
    std::function<void()> run;
  };
  ops::Context context_;
  std::vector<Timed> products_;
};

}  // namespace

ops::GemmBlocking choose_fastest(const std::vector<ops::GemmBlocking>& candidates,
                                 const std::vector<double>& rates) {
  const ops::GemmBlocking computed = ops::GemmBlocking::computed();
  const auto known = std::find(candidates.begin(), candidates.end(), computed);
  CHECK(known != candidates.end() && candidates.size() == rates.size());
  const auto best = std::max_element(rates.begin(), rates.end());
  const double of_computed = rates[static_cast<size_t>(known - candidates.begin())];
  if (!(*best >= kLeastTuningGain * of_computed)) return computed;
  return candidates[static_cast<size_t>(best - rates.begin())];
}

ops::GemmBlocking tune_gemm(const ops::Context& context, int rounds, const Progressed& progress,
                            Report& report) {
  std::vector<std::unique_ptr<GemmProblem>> problems;
  for (const GemmShape& shape : tuning_shapes())
    problems.push_back(std::make_unique<GemmProblem>(context, shape));
  const std::vector<ops::GemmBlocking> blockings = ops::GemmBlocking::candidates();
  std::vector<std::unique_ptr<Candidate>> candidates;
  std::vector<Subject> subjects;
  for (const ops::GemmBlocking& blocking : blockings) {
    candidates.push_back(std::make_unique<Candidate>(context, blocking, problems));
    subjects.push_back([candidate = candidates.back().get()] { return candidate->measure(); });
  }
  std::vector<std::vector<double>> figures = interleave(rounds, subjects, progress);
  std::vector<double> rates;
  for (size_t i = 0; i < blockings.size(); ++i) {
    rates.push_back(spread(figures[i]).median);
    const bool computed = blockings[i] == ops::GemmBlocking::computed();
    report.results.push_back({fmt::format("tasks of {0} x {0}", blockings[i].side), "GFLOP/s",
                              Better::kHigher, std::move(figures[i]),
                              Json{{"computed", computed}}});
  }
  const ops::GemmBlocking chosen = choose_fastest(blockings, rates);
  report.notes.push_back(fmt::format("Chosen: {0} x {0}.", chosen.side));
  return chosen;
}

}  // namespace cllm::bench
