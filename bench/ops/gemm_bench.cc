// What dW would gain if the producers of its operands wrote them in the layout that it reads (pairs
// along tokens): the product as it is, the same with both operands packed before, the packing
// alone, and the writing of that second layout (forward and dX read rows, so it comes on top). The
// packed form is proved against the product before it is timed. Threads: CLLM_THREADS, default all
// cores. Instruction set: CLLM_ISA.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/philox.h"
#include "ops/elementwise.h"
#include "ops/gemm_plan.h"
#include "ops/gemm_product.h"
#include "tensor/arena.h"
#include "threads/topology.h"

namespace cllm {
namespace {

constexpr int64_t kPieceSteps = 32;  // that a task packs, as in the product

// dW [m, n] += dY^T X with dY [k, m], X [k, n], fp32 or bf16.
class Case {
 public:
  Case(const ops::Context& context, int64_t m, int64_t n, int64_t k, bool bf16)
      : context_(context),
        words_(ops::gemm_words(context, bf16 ? ops::Compute::kBf16 : ops::Compute::kFp32)),
        call_(product(m, n, k)),
        depth_(call_, ops::ceil_div(k, bf16 ? 2 : 1)),
        bf16_(bf16),
        dy_(m * k, "dY"),
        x_(n * k, "X"),
        dw_(m * n, "dW"),
        packed_dy_(packed_floats(m, context.kernels.gemm.rows), "packed dY"),
        packed_x_(packed_floats(n, context.kernels.gemm.strip), "packed X"),
        sums_(context.pool.size() * kSums, "sums") {
    fill(m * k, 1, dy_);
    fill(n * k, 2, x_);
    call_.a = {dy_.data(), bf16 ? ops::Storage::kBf16 : ops::Storage::kFp32};
    call_.b = {x_.data(), call_.a.storage()};
    call_.c = dw_.data();
    scratch_ = Arena(static_cast<int64_t>(ops::gemm_scratch(context, call_)), "scratch");
    prove();
  }

  void now() { ops::gemm(context_, call_, scratch_.data()); }

  void pack() {
    const int64_t pieces = ops::ceil_div(depth_.block, kPieceSteps);
    context_.pool.parallel_for(depth_.blocks * pieces, [&](int64_t task, int) {
      const int64_t block = task / pieces, step = task % pieces * kPieceSteps;
      const int64_t steps = std::min(kPieceSteps, steps_of(block) - step);
      if (steps <= 0) return;
      if (bf16_)
        pack_piece<kernels::Bf16>(block, step, 2 * steps);
      else
        pack_piece<float>(block, step, steps);
    });
  }

  // The least that a producer does for a second layout.
  void write() {
    for (Arena* packed : {&packed_dy_, &packed_x_})
      ops::fill_zero(context_, packed->floats(), packed->data());
  }

  // The product with operands that are packed.
  void packed() {
    const ops::GemmCut cut(context_, call_, depth_);
    const int64_t bands = ops::ceil_div(call_.m, cut.rows);
    context_.pool.parallel_for(
        bands * ops::ceil_div(call_.n, cut.columns), [&](int64_t task, int worker) {
          const int64_t row = task % bands * cut.rows, column = task / bands * cut.columns;
          for (int64_t block = 0; block < depth_.blocks; ++block)
            multiply(block, row, std::min(cut.rows, call_.m - row), column,
                     std::min(cut.columns, call_.n - column), sums_.data() + worker * kSums);
        });
  }

  // Whether the packed form runs the tasks of the product.
  bool comparable() const { return context_.pool.size() == 1 || !depth_.split; }

 private:
  static constexpr int64_t kSums = ops::kLargestGemmSide * ops::kLargestGemmSide;

  static ops::Gemm product(int64_t m, int64_t n, int64_t k) {
    ops::Gemm call{.m = m, .n = n, .k = k, .lda = m, .a_transposed = true, .ldb = n, .ldc = n};
    call.accumulate = true;
    return call;
  }
  void fill(int64_t count, uint64_t stream, Arena& to) {
    const Philox source(1, RandomStream::kTest);
    std::vector<float> x(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i)
      x[static_cast<size_t>(i)] =
          static_cast<float>(2 * source.uniform(stream, static_cast<uint64_t>(i)) - 1);
    if (bf16_)
      context_.kernels.bf16.rows.narrow(count, x.data(),
                                        reinterpret_cast<kernels::Bf16*>(to.data()));
    else
      std::memcpy(to.data(), x.data(), x.size() * sizeof(float));
  }

  int64_t steps_of(int64_t block) const {
    return std::min(depth_.block, depth_.steps - block * depth_.block);
  }
  // Of `unit` rows of dY^T or columns of X in a block.
  int64_t stride(int64_t unit) const { return unit * depth_.block + ops::kGemmPadding; }
  int64_t block_floats(int64_t side, int64_t unit) const {
    return ops::ceil_div(side, unit) * stride(unit);
  }
  int64_t packed_floats(int64_t side, int64_t unit) const {
    return depth_.blocks * block_floats(side, unit);
  }
  float* packed_dy(int64_t block) {
    return packed_dy_.data() + block * block_floats(call_.m, context_.kernels.gemm.rows);
  }
  float* packed_x(int64_t block) {
    return packed_x_.data() + block * block_floats(call_.n, context_.kernels.gemm.strip);
  }

  template <class S>
  void pack_piece(int64_t block, int64_t step, int64_t elements) {
    const kernels::GemmKernels& gemm = context_.kernels.gemm;
    const int64_t first = (block * depth_.block + step) * (bf16_ ? 2 : 1);
    const int64_t count = std::min(elements, call_.k - first);
    const auto& packing = words_.of<S>();
    packing.rows_transposed(count, call_.m, call_.a.as<S>() + first * call_.m, call_.m,
                            packed_dy(block) + step * gemm.rows, stride(gemm.rows));
    packing.columns(count, call_.n, call_.b.as<S>() + first * call_.n, call_.n,
                    packed_x(block) + step * gemm.strip, stride(gemm.strip));
  }

  void multiply(int64_t block, int64_t row, int64_t rows, int64_t column, int64_t columns,
                float* sums) {
    const kernels::GemmKernels& gemm = context_.kernels.gemm;
    const int64_t width = gemm.strip * gemm.strips;
    kernels::GemmTile tile;
    tile.steps = steps_of(block);
    tile.a_row = sizeof(float), tile.a_step = gemm.rows * tile.a_row;
    tile.b_step = gemm.strip, tile.b_strip = stride(gemm.strip);
    tile.result.ldc = call_.n;
    for (int64_t i = row; i < row + rows; i += gemm.rows)
      for (int64_t j = column; j < column + columns; j += width, sums += gemm.rows * width) {
        tile.rows = std::min(gemm.rows, row + rows - i);
        tile.columns = std::min(width, column + columns - j);
        tile.a = packed_dy(block) + i / gemm.rows * stride(gemm.rows);
        tile.b = packed_x(block) + j / gemm.strip * stride(gemm.strip);
        tile.result.c = dw_.data() + i * call_.n + j;
        tile.start = block == 0 ? static_cast<const float*>(tile.result.c) : sums;
        tile.start_stride = block == 0 ? call_.n : width;
        tile.sums = block < depth_.blocks - 1 ? sums : nullptr;
        words_.tile(tile);
      }
  }

  // Both add up in the same order.
  void prove() {
    now();
    const std::vector<float> expected(dw_.data(), dw_.data() + dw_.floats());
    ops::fill_zero(context_, dw_.floats(), dw_.data());
    pack();
    packed();
    CHECK_MSG(std::memcmp(expected.data(), dw_.data(), expected.size() * sizeof(float)) == 0,
              "m={} n={} k={}: the packed form is wrong", call_.m, call_.n, call_.k);
  }

  ops::Context context_;
  const kernels::GemmWords& words_;
  ops::Gemm call_;
  ops::DepthCut depth_;
  bool bf16_;
  Arena dy_, x_, dw_, packed_dy_, packed_x_, sums_, scratch_;
};

template <class Body>
void add(const std::string& name, Body body) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [body](benchmark::State& state) {
                                 body();
                                 for (auto _ : state)
                                   body();
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

void add_shape(const ops::Context& context, int64_t m, int64_t n, int64_t k, bool bf16) {
  auto timed = std::make_shared<Case>(context, m, n, k, bf16);
  const std::string name = fmt::format("dW {}x{}x{}/{}/", m, n, k, bf16 ? "bf16" : "fp32");
  add(name + "now", [timed] { timed->now(); });
  if (timed->comparable()) add(name + "packed", [timed] { timed->packed(); });
  add(name + "pack", [timed] { timed->pack(); });
  add(name + "write", [timed] { timed->write(); });
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
  const bool pairs = ops::compute_for(context, ops::Storage::kBf16) == ops::Compute::kBf16;
  for (const bool bf16 : {false, true}) {
    if (bf16 && !pairs) continue;
    for (const auto& [m, n] : {std::pair{65, 128}, {128, 128}, {384, 128}, {512, 128}, {128, 512}})
      add_shape(context, m, n, 768, bf16);  // nano
    for (const auto& [m, n] : {std::pair{384, 384}, {1536, 384}, {384, 1536}, {3072, 768}})
      add_shape(context, m, n, 2048, bf16);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
