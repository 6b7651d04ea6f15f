// The three products of a linear layer against OpenBLAS on the same cores. Proves every product
// before timing it, interleaves the repetitions, and prints medians, their ratio and the share of
// the measured FMA peak. Threads of both: CLLM_THREADS, default all cores. Instruction set:
// CLLM_ISA.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#ifdef CLLM_OPENBLAS
#include <cblas.h>
#endif

#include "base/check.h"
#include "base/philox.h"
#include "kernels/table.h"
#include "ops/gemm.h"
#include "reference/gemm.h"
#include "threads/pool.h"
#include "threads/topology.h"

namespace cllm {
namespace {

// Floats on huge pages, as the engine's arena gives them.
class Floats {
 public:
  explicit Floats(int64_t count) {
    const size_t bytes = (static_cast<size_t>(count) * sizeof(float) + kPage - 1) / kPage * kPage;
    data_.reset(static_cast<float*>(std::aligned_alloc(kPage, bytes)));
    CHECK(data_ != nullptr);
    madvise(data_.get(), bytes, MADV_HUGEPAGE);
    std::fill_n(data_.get(), count, 0.0f);
  }
  float* get() const { return data_.get(); }

 private:
  static constexpr size_t kPage = size_t{2} << 20;
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float[], Free> data_;
};

void fill(float* data, int64_t count, uint64_t stream) {
  const Philox source(1, RandomStream::kTest);
  for (int64_t i = 0; i < count; i += 4) {
    const auto bits = source.bits(stream, static_cast<uint64_t>(i));
    for (int64_t j = i; j < std::min(i + 4, count); ++j)
      data[j] = static_cast<float>(static_cast<int32_t>(bits.at(static_cast<size_t>(j - i)))) /
                2147483648.0f;
  }
}

struct Shape {
  int64_t n, o, i;  // rows, outputs, inputs
};
constexpr Shape kShapes[] = {{2048, 1536, 384}, {2048, 384, 1536}, {8192, 768, 768},
                             {2048, 384, 384},  {768, 128, 128},   {768, 512, 128},
                             {768, 128, 512},   {768, 65, 128}};

// One product with its operands. `accumulate` for dW as in training.
class Case {
 public:
  Case(const Shape& s, const std::string& product)
      : name_(std::to_string(s.n) + "x" + std::to_string(s.o) + "x" + std::to_string(s.i) + "/" +
              product) {
    if (product == "fwd")
      call_ = make(s.n, s.o, s.i, false, true, false);
    else if (product == "dX")
      call_ = make(s.n, s.i, s.o, false, false, false);
    else
      call_ = make(s.o, s.i, s.n, true, false, true);
    a_ = std::make_unique<Floats>(call_.m * call_.k);
    b_ = std::make_unique<Floats>(call_.k * call_.n);
    c_ = std::make_unique<Floats>(call_.m * call_.n);
    fill(a_->get(), call_.m * call_.k, 1);
    fill(b_->get(), call_.k * call_.n, 2);
    call_.a = a_->get();
    call_.b = b_->get();
    call_.c = c_->get();
  }

  const std::string& name() const { return name_; }
  const ops::Gemm& call() const { return call_; }
  double flops() const {
    return 2.0 * static_cast<double>(call_.m) * static_cast<double>(call_.n) *
           static_cast<double>(call_.k);
  }

  // A few whole rows of the result against the double reference.
  void prove(const ops::Context& context, float* scratch) {
    std::fill_n(c_->get(), call_.m * call_.n, 0.0f);
    ops::gemm(context, call_, scratch);
    const Floats zero(call_.m * call_.n);
    ops::Gemm before = call_;
    before.c = zero.get();
    const reference::GemmTruth<double> truth(before);
    for (int64_t row = 0; row < call_.m; row += std::max<int64_t>(1, call_.m / 5))
      for (int64_t column = 0; column < call_.n; ++column) {
        const auto e = truth.element(row, column);
        const float got = call_.c[row * call_.ldc + column];
        CHECK_MSG(reference::within(got, e.value, e.bound), "{} ({}, {}): {} instead of {}", name_,
                  row, column, got, e.value);
      }
  }

 private:
  static ops::Gemm make(int64_t m, int64_t n, int64_t k, bool a_transposed, bool b_transposed,
                        bool accumulate) {
    ops::Gemm call;
    call.m = m, call.n = n, call.k = k;
    call.a_transposed = a_transposed, call.b_transposed = b_transposed;
    call.lda = a_transposed ? m : k;
    call.ldb = b_transposed ? k : n;
    call.ldc = n;
    call.accumulate = accumulate;
    return call;
  }

  std::string name_;
  ops::Gemm call_;
  std::unique_ptr<Floats> a_, b_, c_;
};

#ifdef CLLM_OPENBLAS
void openblas(const ops::Gemm& call) {
  cblas_sgemm(CblasRowMajor, call.a_transposed ? CblasTrans : CblasNoTrans,
              call.b_transposed ? CblasTrans : CblasNoTrans, static_cast<int>(call.m),
              static_cast<int>(call.n), static_cast<int>(call.k), 1.0f, call.a,
              static_cast<int>(call.lda), call.b, static_cast<int>(call.ldb),
              call.accumulate ? 1.0f : 0.0f, call.c, static_cast<int>(call.ldc));
}
#endif

// Sixteen chains of FMAs in registers: more than latency times throughput on any x86-64 so far.
#if defined(__x86_64__)
__attribute__((target("avx512f"))) float fma_avx512(int64_t rounds) {
  __m512 x[16];
  for (auto& v : x)
    v = _mm512_set1_ps(1.0f);
  const __m512 y = _mm512_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j)
      x[j] = _mm512_fmadd_ps(x[j], y, y);
  }
  float sum = 0;
  for (const auto& v : x)
    sum += _mm512_cvtss_f32(v);
  return sum;
}

__attribute__((target("avx2,fma"))) float fma_avx2(int64_t rounds) {
  __m256 x[12];
  for (auto& v : x)
    v = _mm256_set1_ps(1.0f);
  const __m256 y = _mm256_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < 12; ++j)
      x[j] = _mm256_fmadd_ps(x[j], y, y);
  }
  float sum = 0;
  for (const auto& v : x)
    sum += _mm256_cvtss_f32(v);
  return sum;
}
#endif

// Calls one round of `rounds` on every thread; the flops of a round per thread, 0 if the table has
// no FMA of its own.
double fma_round(const ops::Context& context, int64_t rounds) {
  double flops = 0;
#if defined(__x86_64__)
  const std::string table = context.kernels.name;
  float (*loop)(int64_t) = table == "avx512" ? fma_avx512 : table == "avx2" ? fma_avx2 : nullptr;
  if (loop == nullptr) return 0;
  flops = table == "avx512" ? 2.0 * 16 * 16 : 2.0 * 12 * 8;
  context.pool.parallel_for(context.pool.size(), [&](int64_t, int) {
    float result = loop(rounds);
    benchmark::DoNotOptimize(result);
  });
#endif
  return flops * static_cast<double>(rounds) * context.pool.size();
}

// OpenBLAS's idle threads spin for some 25 ms after a call and would steal our cores.
void let_opponent_sleep(const benchmark::State&) {
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
}

void set_rate(benchmark::State& state, double flops) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

template <class Body>
void add(const std::string& name, double flops, Body body) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [flops, body](benchmark::State& state) {
                                 body();
                                 for (auto _ : state)
                                   body();
                                 set_rate(state, flops);
                               })
      ->UseRealTime()
      ->Setup(let_opponent_sleep);
}

// Keeps the rate of every repetition and prints one table at the end. The best says what the code
// can do when nobody else uses the cores, the median what it did.
class Summary : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (run.run_type == Run::RT_Iteration)
        rates_[run.run_name.function_name].push_back(run.counters.at("GFLOP/s").value);
  }
  void print(const std::vector<std::unique_ptr<Case>>& cases) const {
    const Rates peak = rates("peak");
    std::printf("\nGFLOP/s, median and best of the repetitions; FMA peak %.0f, %.0f\n", peak.median,
                peak.best);
    std::printf("%-20s %14s %14s %12s %10s\n", "rows x out x in", "ours", "OpenBLAS", "ratio",
                "of peak");
    for (const auto& c : cases) {
      const Rates ours = rates("ours/" + c->name()), theirs = rates("openblas/" + c->name());
      if (!(ours.best > 0)) continue;
      std::printf("%-20s %6.0f %7.0f %6.0f %7.0f %6.2f %5.2f %9.0f%%\n", c->name().c_str(),
                  ours.median, ours.best, theirs.median, theirs.best,
                  ratio(ours.median, theirs.median), ratio(ours.best, theirs.best),
                  100 * ratio(ours.best, peak.best));
    }
  }

 private:
  struct Rates {
    double median = 0, best = 0;
  };
  static double ratio(double a, double b) { return b > 0 ? a / b : 0; }
  Rates rates(const std::string& name) const {
    const auto found = rates_.find(name);
    if (found == rates_.end()) return {};
    std::vector<double> sorted = found->second;
    std::sort(sorted.begin(), sorted.end());
    return {sorted[sorted.size() / 2], sorted.back()};
  }
  std::map<std::string, std::vector<double>> rates_;
};

int run(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  std::string interleave = "--benchmark_enable_random_interleaving=true",
              repeat = "--benchmark_repetitions=9", least = "--benchmark_min_time=0.05";
  for (std::string* flag : {&least, &repeat, &interleave})
    arguments.insert(arguments.begin() + 1, flag->data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());

  const ThreadBudget budget = choose_threads(0);
  ThreadPool pool(budget.count);
  const ops::Context context{pool, kernels::chosen_table()};
  const Floats scratch(static_cast<int64_t>(ops::gemm_scratch(context)));
  std::printf("threads: %s; kernels: %s\n", budget.reason.c_str(), context.kernels.name);
  std::vector<std::unique_ptr<Case>> cases;
  for (const Shape& shape : kShapes)
    for (const char* product : {"fwd", "dX", "dW"}) {
      cases.push_back(std::make_unique<Case>(shape, product));
      cases.back()->prove(context, scratch.get());
    }
  std::printf("every product agrees with the reference within its bound\n");
#ifdef CLLM_OPENBLAS
  openblas_set_num_threads(budget.count);
  std::printf("opponent: %s\n", openblas_get_config());
#else
  std::printf("opponent: none (built without OpenBLAS)\n");
#endif
  const int64_t rounds = 1 << 20;
  if (const double flops = fma_round(context, 1) * static_cast<double>(rounds); flops > 0)
    add("peak", flops, [&context] { fma_round(context, rounds); });
  for (const auto& c : cases) {
    const ops::Gemm& call = c->call();
    add("ours/" + c->name(), c->flops(),
        [&context, &call, &scratch] { ops::gemm(context, call, scratch.get()); });
#ifdef CLLM_OPENBLAS
    add("openblas/" + c->name(), c->flops(), [&call] { openblas(call); });
#endif
  }
  Summary summary;
  benchmark::RunSpecifiedBenchmarks(&summary);
  summary.print(cases);
  return 0;
}

}  // namespace
}  // namespace cllm

int main(int argc, char** argv) {
  return cllm::run(argc, argv);
}
