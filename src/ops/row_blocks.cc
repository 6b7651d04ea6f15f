#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

constexpr int64_t kColumns = 64;  // four cache lines: no two tasks write the same line often

}  // namespace

void add_partial_rows(const Context& context, int64_t blocks, int64_t C, float* partial,
                      int64_t stride, float* out) {
  if (blocks == 0) return;
  const auto& kernels = context.kernels.fp32.rows;
  context.pool.parallel_for((C + kColumns - 1) / kColumns, [&](int64_t task, int) {
    const int64_t begin = task * kColumns, count = std::min(kColumns, C - begin);
    float* sum = partial + begin;
    for (int64_t block = 1; block < blocks; ++block)
      kernels.accumulate(count, sum + block * stride, sum);
    kernels.accumulate(count, sum, out + begin);
  });
}

}  // namespace cllm::ops
