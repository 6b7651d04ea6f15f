#include "bench/gemm.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "base/check.h"
#include "bench/limits.h"
#include "bench/text_table.h"
#include "ops/gemm.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.03;  // of one measurement at least
// Idle threads of other libraries spin for some 25 ms after a call and would steal our cores.
constexpr std::chrono::milliseconds kRest{40};

// The product as training makes it: A and C of activations in one precision; the weight, B of the
// forward and of dX, is fp32 and was packed before; dW multiplies activations and adds up in fp32.
ops::Gemm training_product(GemmProblem& problem, bool bf16) {
  const GemmShape& s = problem.shape;
  const bool weight_gradient = s.product == Product::kWeightGradient;
  ops::Gemm call;
  call.m = s.m, call.n = s.n, call.k = s.k;
  call.a = problem.a.data(), call.b = problem.b.data(), call.c = problem.c.data();
  if (bf16) call.a = {problem.a16.data(), ops::Storage::kBf16};
  if (bf16 && weight_gradient) call.b = {problem.b16.data(), ops::Storage::kBf16};
  if (bf16 && !weight_gradient) call.c = {problem.c16.data(), ops::Storage::kBf16};
  call.a_transposed = s.a_transposed(), call.b_transposed = s.b_transposed();
  call.lda = s.a_transposed() ? s.m : s.k;
  call.ldb = s.b_transposed() ? s.k : s.n;
  call.ldc = s.n;
  call.accumulate = s.accumulate();
  return call;
}

// B of a call in the layout of the kernels, with the memory behind it.
struct PackedWeight {
  Arena memory;
  ops::PackedMatrix matrix;
  PackedWeight(const ops::Context& context, const ops::Gemm& call)
      : PackedWeight(context, ops::compute_for(context, call.a.storage()), call) {}

 private:
  PackedWeight(const ops::Context& context, ops::Compute compute, const ops::Gemm& call)
      : memory(ops::packed_floats(context, compute, call.k, call.n), "matrix product"),
        matrix(ops::pack(context, compute, call.k, call.n, call.b.as<float>(), call.ldb,
                         call.b_transposed, memory.data())) {}
};

GemmVariant ours(const ops::Context& context, const std::shared_ptr<Arena>& scratch, bool bf16) {
  return {"ours", bf16, true, bf16, [&context, scratch, bf16](GemmProblem& problem) {
            ops::Gemm call = training_product(problem, bf16);
            std::shared_ptr<PackedWeight> weight;
            if (problem.shape.product != Product::kWeightGradient) {
              weight = std::make_shared<PackedWeight>(context, call);
              call.packed = &weight->matrix;
            }
            return [&context, scratch, weight, call] { ops::gemm(context, call, scratch->data()); };
          }};
}

GemmVariant theirs(const Opponent& opponent) {
  const OpponentVariant* variant = opponent.variant;
  return {opponent.name, variant->bf16, false, variant->bf16,
          [variant](GemmProblem& problem) -> std::function<void()> {
            const GemmShape& s = problem.shape;
            const bool bf16 = variant->bf16;
            OpponentProduct product{};
            product.m = s.m, product.n = s.n, product.k = s.k;
            product.bf16 = bf16;
            product.accumulate = s.accumulate();
            product.a = bf16 ? static_cast<const void*>(problem.a16.data()) : problem.a.data();
            product.b = bf16 ? static_cast<const void*>(problem.b16.data()) : problem.b.data();
            product.c =
                bf16 && !s.accumulate() ? static_cast<void*>(problem.c16.data()) : problem.c.data();
            product.a_transposed = s.a_transposed(), product.b_transposed = s.b_transposed();
            const auto prepared = std::make_shared<PreparedOpponent>(*variant, product);
            if (!prepared->able()) return {};
            return [prepared] { prepared->run(); };
          }};
}

// What takes turns on one shape.
struct Contest {
  std::vector<const GemmVariant*> variants;
  std::vector<Subject> subjects;  // of the variants, then of the peaks
};

void add_variant(const ops::Context& context, const GemmVariant& variant, GemmProblem& problem,
                 Contest& contest, Report& report) {
  const std::function<void()> run = variant.prepare(problem);
  if (!run) return;
  problem.clear(context);
  run();
  const std::string wrong =
      problem.wrong_element(variant.bf16_result && !problem.shape.accumulate());
  CHECK_MSG(!variant.ours || wrong.empty(), "{}: {}", problem.shape.name(), wrong);
  if (!wrong.empty()) {
    report.notes.push_back(
        fmt::format("{} is wrong on {}: {}", variant.name, problem.shape.name(), wrong));
    return;
  }
  contest.variants.push_back(&variant);
  contest.subjects.push_back([run, &variant, flops = problem.shape.flops()] {
    const double rate = flops / seconds_per_call(kSeconds, run) * 1e-9;
    if (!variant.ours) std::this_thread::sleep_for(kRest);
    return rate;
  });
}

const kernels::PeakLoop* loop_of(const ops::Context& context, bool bf16) {
  return kernels::peak_loop(bf16 ? kernels::PeakKind::kBf16 : kernels::PeakKind::kFp32,
                            context.kernels.name);
}

std::string precision_name(bool bf16) {
  return bf16 ? "bf16" : "fp32";
}

std::string variant_title(const GemmVariant& variant) {
  return fmt::format("{} {}", variant.name, precision_name(variant.bf16));
}

// The peaks of both precisions, measured in the same turns: a figure per round, or none.
struct Peaks {
  std::vector<double> of[2];
};

Peaks take_peaks(const ops::Context& context, std::vector<std::vector<double>>& figures) {
  Peaks peaks;
  for (int bf16 = 1; bf16 >= 0; --bf16) {
    if (loop_of(context, bf16 != 0) == nullptr) continue;
    peaks.of[bf16] = std::move(figures.back());
    figures.pop_back();
  }
  return peaks;
}

void append_results(const GemmShape& shape, const Contest& contest, const Peaks& peaks,
                    const std::vector<std::vector<double>>& figures, Report& report) {
  for (size_t i = 0; i < contest.variants.size(); ++i) {
    const GemmVariant& variant = *contest.variants[i];
    Json extra = {{"shape", shape.name()}, {"variant", variant_title(variant)}};
    const std::vector<double>& peak = peaks.of[variant.bf16 ? 1 : 0];
    if (!peak.empty()) extra["peak_share"] = median_ratio(figures[i], peak);
    double worst = 0;  // against the opponents of its precision
    for (size_t j = 0; variant.ours && j < contest.variants.size(); ++j) {
      if (contest.variants[j]->ours || contest.variants[j]->bf16 != variant.bf16) continue;
      const double ratio = median_ratio(figures[i], figures[j]);
      if (worst == 0 || !(ratio >= worst)) worst = ratio;
    }
    if (worst != 0) extra["against_best"] = worst;
    report.results.push_back({fmt::format("{}, {}", shape.name(), variant_title(variant)),
                              "GFLOP/s", Better::kHigher, figures[i], extra});
  }
}

void measure_shape(const ops::Context& context, const GemmShape& shape,
                   const std::vector<GemmVariant>& variants, int rounds, const Progressed& progress,
                   Report& report) {
  GemmProblem problem(context, shape);
  Contest contest;
  for (const GemmVariant& variant : variants)
    add_variant(context, variant, problem, contest, report);
  std::vector<Subject> subjects = contest.subjects;
  for (const bool bf16 : {false, true})
    if (const kernels::PeakLoop* loop = loop_of(context, bf16))
      subjects.push_back(
          [&context, loop] { return measure_peak(context.pool, context.pool.size(), *loop); });
  std::vector<std::vector<double>> figures = interleave(rounds, subjects, progress);
  const Peaks peaks = take_peaks(context, figures);
  append_results(shape, contest, peaks, figures, report);
}

// A row per shape, a column per variant of one precision; "" if there is none.
std::string matrix_table(const std::vector<GemmShape>& shapes, bool bf16,
                         std::vector<GemmVariant> variants, const Report& report) {
  std::erase_if(variants, [&](const GemmVariant& variant) { return variant.bf16 != bf16; });
  if (variants.empty()) return "";
  std::map<std::string, const Result*> known;
  for (const Result& result : report.results)
    known[result.name] = &result;
  std::vector<std::vector<std::string>> rows = {{precision_name(bf16) + " GFLOP/s"}};
  for (const GemmVariant& variant : variants) {
    rows[0].push_back(variant.name);
    if (variant.ours) rows[0].insert(rows[0].end(), {"of peak", "of best"});
  }
  const auto percent = [](const Result& result, const char* key) {
    return result.extra.contains(key)
               ? fmt::format("{:.0f} %", 100 * result.extra.at(key).get<double>())
               : "-";
  };
  for (const GemmShape& shape : shapes) {
    std::vector<std::string> row = {shape.name()};
    for (const GemmVariant& variant : variants) {
      const auto found = known.find(fmt::format("{}, {}", shape.name(), variant_title(variant)));
      if (found == known.end()) {
        row.insert(row.end(), variant.ours ? 3 : 1, "-");
        continue;
      }
      row.push_back(format_figure(spread(found->second->samples).median));
      if (variant.ours)
        row.insert(row.end(), {percent(*found->second, "peak_share"),
                               percent(*found->second, "against_best")});
    }
    rows.push_back(std::move(row));
  }
  return text_table(rows);
}

}  // namespace

std::vector<GemmVariant> gemm_variants(const ops::Context& context, const Opponents& opponents) {
  const auto size = static_cast<int64_t>(ops::gemm_scratch(context));
  const auto scratch = std::make_shared<Arena>(size, "matrix product");
  std::vector<GemmVariant> variants = {ours(context, scratch, false), ours(context, scratch, true)};
  for (const bool bf16 : {false, true})
    for (const Opponent& opponent : opponents.all)
      if (opponent.variant->bf16 == bf16) variants.push_back(theirs(opponent));
  return variants;
}

void measure_gemm(const ops::Context& context, const std::vector<GemmShape>& shapes,
                  const std::vector<GemmVariant>& variants, int rounds, const Progressed& progress,
                  Report& report) {
  const auto count = static_cast<int64_t>(shapes.size());
  for (int64_t i = 0; i < count; ++i)
    measure_shape(
        context, shapes[static_cast<size_t>(i)], variants, rounds,
        [&](int64_t done, int64_t total) {
          if (progress) progress(i * total + done, count * total);
        },
        report);
  const std::string fp32 = matrix_table(shapes, false, variants, report);
  const std::string bf16 = matrix_table(shapes, true, variants, report);
  report.table = fp32 + (fp32.empty() || bf16.empty() ? "" : "\n") + bf16;
}

}  // namespace cllm::bench
