#include "optim/gradient_sum.h"

#include "ops/chunks.h"

namespace cllm::optim {

void sum_in_tree(const ops::Context& context, int64_t count, std::span<float* const> parts) {
  const ops::ProfileScope scope(context.profile, "sum of the shards' gradients");
  const auto accumulate = context.kernels.fp32.rows.accumulate;
  ops::for_each_chunk(context, count, [&](int64_t begin, int64_t n) {
    for (size_t stride = 1; stride < parts.size(); stride *= 2)
      for (size_t left = 0; left + stride < parts.size(); left += 2 * stride)
        accumulate(n, parts[left + stride] + begin, parts[left] + begin);
  });
}

}  // namespace cllm::optim
