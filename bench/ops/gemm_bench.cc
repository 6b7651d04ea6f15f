// The three products of a linear layer in fp32 and bf16, weights packed before as in training,
// against OpenBLAS and oneDNN (plain and with its own packed weights) on the same cores. Proves
// every product before timing it, takes turns, and prints the best and median GFLOP/s, the share of
// the measured peak, and the ratio to the best opponent. Arguments: [part of a name] [rounds].
// Threads: CLLM_THREADS, default all cores. Instruction set: CLLM_ISA.
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/philox.h"
#include "gemm_opponents.h"
#include "gemm_peak.h"
#include "kernels/table.h"
#include "ops/gemm.h"
#include "reference/gemm.h"
#include "threads/pool.h"
#include "threads/topology.h"

namespace cllm {
namespace {

using ops::Compute;
using ops::Storage;

// Zeroed bytes on huge pages, as the engine's arena gives them.
class Buffer {
 public:
  explicit Buffer(int64_t bytes) {
    const size_t size = (static_cast<size_t>(bytes) + kPage - 1) / kPage * kPage;
    data_.reset(static_cast<unsigned char*>(std::aligned_alloc(kPage, std::max(size, kPage))));
    CHECK(data_ != nullptr);
    madvise(data_.get(), size, MADV_HUGEPAGE);
    std::fill_n(data_.get(), size, static_cast<unsigned char>(0));
  }
  void* get() const { return data_.get(); }
  float* floats() const { return reinterpret_cast<float*>(data_.get()); }

 private:
  static constexpr size_t kPage = size_t{2} << 20;
  struct Free {
    void operator()(unsigned char* p) const { std::free(p); }
  };
  std::unique_ptr<unsigned char[], Free> data_;
};

// Uniform in [-1, 1), rounded to `storage`.
void fill(const ops::Context& context, Storage storage, int64_t count, uint64_t stream, void* out) {
  std::vector<float> x(static_cast<size_t>(count));
  const Philox source(1, RandomStream::kTest);
  for (int64_t i = 0; i < count; i += 4) {
    const auto bits = source.bits(stream, static_cast<uint64_t>(i));
    for (int64_t j = i; j < std::min(i + 4, count); ++j)
      x[static_cast<size_t>(j)] =
          static_cast<float>(static_cast<int32_t>(bits.at(static_cast<size_t>(j - i)))) /
          2147483648.0f;
  }
  ops::with_storage(storage, [&](auto tag) {
    using S = typename decltype(tag)::Type;
    context.kernels.of<S>().rows.narrow(count, x.data(), static_cast<S*>(out));
  });
}

struct Shape {
  int64_t n, o, i;  // rows, outputs, inputs
};
constexpr Shape kShapes[] = {
    {2048, 384, 384},  {2048, 1536, 384}, {2048, 384, 1536}, {2048, 768, 768},  {2048, 3072, 768},
    {2048, 768, 3072}, {8192, 1536, 384}, {8192, 768, 768},  {8192, 3072, 768}, {1024, 50304, 768},
    {768, 128, 128},   {768, 384, 128},   {768, 512, 128},   {768, 128, 512},   {768, 65, 128}};

// One product with its operands; weights of fwd and dX are packed, `accumulate` for dW as in
// training.
class Case {
 public:
  Case(const ops::Context& context, const Shape& s, Storage storage, const std::string& product)
      : context_(context),
        name_(fmt::format("{} {} {}x{}x{}", storage == Storage::kBf16 ? "bf16" : "fp32", product,
                          s.n, s.o, s.i)) {
    const bool forward = product == "fwd", gradient = product == "dW";
    call_.m = gradient ? s.o : s.n;
    call_.n = forward ? s.o : s.i;
    call_.k = gradient ? s.n : forward ? s.i : s.o;
    call_.a_transposed = call_.accumulate = gradient;
    call_.b_transposed = forward;
    call_.lda = gradient ? call_.m : call_.k;
    call_.ldb = forward ? call_.k : call_.n;
    call_.ldc = call_.n;
    const Storage weight = gradient ? storage : Storage::kFp32;
    const Storage result = gradient ? Storage::kFp32 : storage;
    call_.a = operand(call_.m * call_.k, storage, 1);
    call_.b = operand(call_.k * call_.n, weight, 2);
    call_.c = operand(call_.m * call_.n, result, 0);
    compute_ = ops::compute_for(context, storage);
    if (gradient) return;
    Buffer packed(ops::packed_floats(context, compute_, call_.k, call_.n) * 4);
    packed_ = ops::pack(context, compute_, call_.k, call_.n, call_.b.as<float>(), call_.ldb,
                        call_.b_transposed, packed.floats());
    buffers_.push_back(std::move(packed));
  }

  const std::string& name() const { return name_; }
  // With the weight as it lies; run() uses the packed one.
  const ops::Gemm& call() const { return call_; }
  double flops() const {
    return 2.0 * static_cast<double>(call_.m) * static_cast<double>(call_.n) *
           static_cast<double>(call_.k);
  }
  void run(float* scratch) const {
    ops::Gemm call = call_;
    if (packed_.data != nullptr) call.packed = &packed_;
    ops::gemm(context_, call, scratch);
  }

  // Some elements of the result against the double reference.
  void prove(float* scratch) const {
    const int64_t width = kernels::storage_bytes(call_.c.storage());
    std::fill_n(static_cast<unsigned char*>(call_.c.data()), call_.m * call_.n * width,
                static_cast<unsigned char>(0));
    const Buffer zero(call_.m * call_.n * width);
    run(scratch);
    ops::Gemm before = call_;
    before.c = ops::Values(zero.get(), call_.c.storage());
    const reference::GemmTruth<double> truth(before, compute_);
    for (int64_t row = 0; row < call_.m; row += std::max<int64_t>(1, call_.m / 3))
      for (int64_t column = 0; column < call_.n; column += 7) {
        const auto e = truth.element(row, column);
        const double got = reference::value_at<double>(call_.c, row * call_.ldc + column);
        CHECK_MSG(reference::within(got, e.value, e.bound), "{} ({}, {}): {} instead of {}", name_,
                  row, column, got, e.value);
      }
  }

 private:
  ops::Values operand(int64_t count, Storage storage, uint64_t stream) {
    Buffer buffer(count * kernels::storage_bytes(storage));
    if (stream != 0) fill(context_, storage, count, stream, buffer.get());
    const ops::Values values(buffer.get(), storage);
    buffers_.push_back(std::move(buffer));
    return values;
  }

  const ops::Context& context_;
  std::string name_;
  ops::Gemm call_;
  Compute compute_;
  ops::PackedMatrix packed_;
  std::vector<Buffer> buffers_;
};

struct Contestant {
  std::string name;
  std::function<void()> run;
  std::vector<double> rates = {};  // GFLOP/s of every round

  double best() const { return rates.back(); }
  double median() const { return rates[rates.size() / 2]; }
};

// Seconds: of this thread's own time if it is alone, which a busy machine does not lengthen.
double now(bool alone) {
  timespec time{};
  clock_gettime(alone ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Some milliseconds of calls, after one that warms the caches.
double measure(bool alone, double flops, double peak, const std::function<void()>& run) {
  const auto calls = std::max<int64_t>(1, static_cast<int64_t>(5e-3 * peak * 1e9 / flops));
  run();
  const double start = now(alone);
  for (int64_t i = 0; i < calls; ++i)
    run();
  return flops * static_cast<double>(calls) / (now(alone) - start) * 1e-9;
}

// The turns of a case; the threads of opponents spin for a while after a call and would steal our
// cores.
void take_turns(bool alone, double flops, double peak, int rounds,
                std::vector<Contestant>& contestants) {
  for (int round = 0; round < rounds; ++round)
    for (Contestant& c : contestants) {
      if (!alone && contestants.size() > 1)
        std::this_thread::sleep_for(std::chrono::milliseconds(40));
      c.rates.push_back(measure(alone, flops, peak, c.run));
    }
  for (Contestant& c : contestants)
    std::sort(c.rates.begin(), c.rates.end());
}

double measured_peak(const ops::Context& context, Compute compute, int rounds) {
  double best = 0;
  for (int round = 0; round < 2 * rounds; ++round)
    best = std::max(best, bench::multiply_add_rate(context, compute));
  return best;
}

void report(const Case& c, double peak, const std::vector<Contestant>& contestants) {
  std::printf("%-26s", c.name().c_str());
  double theirs = 0;
  for (const Contestant& contestant : contestants) {
    if (contestant.name != "ours") theirs = std::max(theirs, contestant.best());
    std::printf("  %s %.0f/%.0f", contestant.name.c_str(), contestant.best(), contestant.median());
  }
  const double ours = contestants.front().best();
  std::printf("  %.0f%% of peak", 100 * ours / peak);
  if (theirs > 0) std::printf(", %.2f x best opponent", ours / theirs);
  std::printf("\n");
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  const std::string filter = argc > 1 ? argv[1] : "";
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 9;
  const ThreadBudget budget = choose_threads(0);
  ThreadPool pool(budget.count);
  const ops::Context context{pool, kernels::chosen_table()};
  const Buffer scratch(static_cast<int64_t>(ops::gemm_scratch(context)) * 4);
  const double fp32_peak = measured_peak(context, Compute::kFp32, rounds);
  const double bf16_peak =
      measured_peak(context, ops::compute_for(context, Storage::kBf16), rounds);
  std::printf("threads: %s; kernels: %s; peak %.0f fp32, %.0f bf16; GFLOP/s, best/median\n",
              budget.reason.c_str(), context.kernels.name, fp32_peak, bf16_peak);
  for (const Storage storage : {Storage::kFp32, Storage::kBf16})
    for (const Shape& shape : kShapes)
      for (const char* product : {"fwd", "dX", "dW"}) {
        const Case c(context, shape, storage, product);
        if (c.name().find(filter) == std::string::npos) continue;
        if (c.flops() < 1e10) c.prove(scratch.floats());
        std::vector<Contestant> contestants = {{"ours", [&] { c.run(scratch.floats()); }}};
        for (auto& [name, body] : bench::gemm_opponents(c.call(), budget.count))
          contestants.push_back({name, std::move(body)});
        const double peak = storage == Storage::kBf16 ? bf16_peak : fp32_peak;
        take_turns(budget.count == 1, c.flops(), peak, rounds, contestants);
        report(c, peak, contestants);
      }
  return 0;
}

}  // namespace
}  // namespace cllm

int main(int argc, char** argv) {
  return cllm::run(argc, argv);
}
