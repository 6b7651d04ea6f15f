// Attention forward and backward at the shapes of the presets, and one decoding step. Proves a
// shorter sequence of every shape against the double reference before timing it. GFLOP/s counts
// what a causal mask leaves: 4 D flops per visible pair forward, 10 D backward. Threads:
// CLLM_THREADS, default all cores. Instruction set: CLLM_ISA.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/philox.h"
#include "ops/attention.h"
#include "reference/attention.h"
#include "threads/topology.h"

namespace cllm {
namespace {

// Floats on huge pages, as the engine's arena gives them.
struct Free {
  void operator()(float* p) const { std::free(p); }
};
using Floats = std::unique_ptr<float[], Free>;

Floats make_floats(int64_t count, uint64_t stream) {
  constexpr size_t kPage = size_t{2} << 20;
  const size_t bytes = (static_cast<size_t>(count) * sizeof(float) + kPage - 1) / kPage * kPage;
  Floats data(static_cast<float*>(std::aligned_alloc(kPage, bytes)));
  CHECK(data != nullptr);
  madvise(data.get(), bytes, MADV_HUGEPAGE);
  const Philox source(1, RandomStream::kTest);
  for (int64_t i = 0; i < count; ++i)
    data[static_cast<size_t>(i)] =
        static_cast<float>(2 * source.uniform(stream, static_cast<uint64_t>(i)) - 1);
  return data;
}

// q, k and v are columns of one fused buffer, as in the model.
class Case {
 public:
  Case(const ops::Context& context, ops::AttentionShape shape) : context_(context), shape_(shape) {
    shape_.scale = 1 / std::sqrt(static_cast<float>(shape.D));
    width_ = (shape.H + 2 * shape.K) * shape.D;
    qkv_ = make_floats(shape.B * shape.S * width_, 1);
    dqkv_ = make_floats(shape.B * shape.S * width_, 2);
    out_ = make_floats(shape.B * shape.T * row(), 3);
    dout_ = make_floats(shape.B * shape.T * row(), 4);
    logs_ = make_floats(shape.B * shape.T * shape.H, 5);
    const size_t floats = ops::attention_scratch(context, shape);
    scratch_ = make_floats(static_cast<int64_t>(floats), 6);
  }

  void forward() const {
    const float* x = qkv_.get();
    ops::attention_forward(context_, shape_, {x, width_, 0}, {x + row(), width_, 0},
                           {x + row() + shape_.K * shape_.D, width_, 0}, {out_.get(), row(), 0},
                           logs_.get(), scratch_.get());
  }
  void backward() const {
    const float* x = qkv_.get();
    float* dx = dqkv_.get();
    ops::attention_backward(context_, shape_, {x, width_, 0}, {x + row(), width_, 0},
                            {x + row() + shape_.K * shape_.D, width_, 0}, {out_.get(), row(), 0},
                            logs_.get(), {dout_.get(), row(), 0}, {dx, width_, 0},
                            {dx + row(), width_, 0}, {dx + row() + shape_.K * shape_.D, width_, 0},
                            scratch_.get());
  }
  double pairs() const {
    const auto T = static_cast<double>(shape_.T), S = static_cast<double>(shape_.S);
    return static_cast<double>(shape_.B * shape_.H * shape_.D) * T * (S - (T - 1) / 2);
  }

  // out, dq, dk and dv of a case with S == T, against the reference. 1e-4 is far above rounding for
  // inputs in [-1, 1] and far below any mistake.
  void prove() const {
    forward();
    backward();
    const ops::AttentionShape& s = shape_;
    const reference::Attention a{s.B, s.T, s.S, s.H, s.K, s.D, static_cast<double>(s.scale), {}};
    const auto q = columns(qkv_, 0, s.H), k = columns(qkv_, s.H, s.K);
    const auto v = columns(qkv_, s.H + s.K, s.K);
    const std::vector<double> dout(dout_.get(), dout_.get() + s.B * s.T * row());
    expect(reference::attention_forward(a, q, k, v), {out_.get(), out_.get() + s.B * s.T * row()});
    const auto g = reference::attention_backward(a, q, k, v, dout);
    expect(g.dq, columns(dqkv_, 0, s.H));
    expect(g.dk, columns(dqkv_, s.H, s.K));
    expect(g.dv, columns(dqkv_, s.H + s.K, s.K));
  }

 private:
  int64_t row() const { return shape_.H * shape_.D; }
  std::vector<double> columns(const Floats& from, int64_t first_head, int64_t heads) const {
    std::vector<double> x;
    for (int64_t n = 0; n < shape_.B * shape_.T; ++n) {
      const float* begin = from.get() + n * width_ + first_head * shape_.D;
      x.insert(x.end(), begin, begin + heads * shape_.D);
    }
    return x;
  }
  static void expect(const std::vector<double>& expected, const std::vector<double>& actual) {
    CHECK_EQ(expected.size(), actual.size());
    for (size_t i = 0; i < expected.size(); ++i)
      CHECK_MSG(std::abs(actual[i] - expected[i]) <= 1e-4 * (1 + std::abs(expected[i])),
                "element {}: {} instead of {}", i, actual[i], expected[i]);
  }

  ops::Context context_;
  ops::AttentionShape shape_;
  int64_t width_;
  Floats qkv_, dqkv_, out_, dout_, logs_, scratch_;
};

template <class Body>
void add(const std::string& name, double flops, Body body) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [flops, body](benchmark::State& state) {
                                 body();
                                 for (auto _ : state)
                                   body();
                                 state.counters["GFLOP/s"] = benchmark::Counter(
                                     flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

void add_training(const ops::Context& context, const std::string& name,
                  const ops::AttentionShape& shape) {
  ops::AttentionShape small = shape;
  small.B = std::min<int64_t>(shape.B, 2);
  small.T = small.S = std::min<int64_t>(shape.T, 130);
  Case(context, small).prove();
  auto timed = std::make_shared<Case>(context, shape);
  add(name + "/forward", 4 * timed->pairs(), [timed] { timed->forward(); });
  add(name + "/backward", 10 * timed->pairs(), [timed] { timed->backward(); });
}

}  // namespace
}  // namespace cllm

int main(int argc, char** argv) {
  using namespace cllm;
  benchmark::Initialize(&argc, argv);
  ThreadPool pool(choose_threads(0).count);
  const ops::Context context{pool, kernels::chosen_table()};
  benchmark::AddCustomContext("table", context.kernels.name);
  benchmark::AddCustomContext("threads", std::to_string(pool.size()));
  // B, T, S, H, K, D
  add_training(context, "nano", {12, 64, 64, 4, 4, 32, 0, 0, {}});
  add_training(context, "baby", {64, 256, 256, 6, 6, 64, 0, 0, {}});
  add_training(context, "llama-15m", {16, 256, 256, 6, 6, 48, 0, 0, {}});
  add_training(context, "gpt2", {4, 1024, 1024, 12, 12, 64, 0, 0, {}});
  add_training(context, "one-sequence", {1, 1024, 1024, 8, 2, 64, 0, 0, {}});
  auto decode =
      std::make_shared<Case>(context, ops::AttentionShape{1, 1, 1024, 12, 12, 64, 0, 0, {}});
  add("gpt2-decode/forward", 4 * decode->pairs(), [decode] { decode->forward(); });
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
