#include "ops/cross_entropy.h"

#include <cstring>

#include "base/check.h"
#include "ops/chunks.h"

namespace cllm::ops {

void cross_entropy(const Context& context, int64_t N, int64_t V, float softcap,
                   const int32_t* targets, float gradient_scale, Values logits, float* losses,
                   const float* added) {
  const ProfileScope scope(context.profile, "cross entropy");
  with_storage(logits.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    S* first_row = logits.as<S>();
    context.pool.parallel_for(N, [&](int64_t n, int) {
      const int32_t target = targets[n];
      CHECK_MSG(target >= -1 && target < V, "targets[{}]={} V={}", n, target, V);
      S* row = first_row + n * V;
      if (target >= 0) {
        const kernels::CrossEntropyRow call = {V, target, softcap, gradient_scale,
                                               added == nullptr ? nullptr : added + n * V};
        losses[n] = context.kernels.of<S>().rows.cross_entropy(&call, row);
        return;
      }
      losses[n] = 0;
      if (gradient_scale != 0) std::memset(row, 0, static_cast<size_t>(V) * sizeof(S));
    });
  });
}

double sum_losses(int64_t N, const float* losses) {
  double sum = 0;
  for (int64_t n = 0; n < N; ++n)
    sum += static_cast<double>(losses[n]);
  return sum;
}

void softcap(const Context& context, int64_t N, int64_t V, float cap, Values logits) {
  CHECK_MSG(cap > 0, "cap={}", cap);
  with_storage(logits.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    S* in = logits.as<S>();
    for_each_chunk(context, N * V, [&](int64_t begin, int64_t n) {
      context.kernels.of<S>().rows.softcap(n, cap, in + begin);
    });
  });
}

}  // namespace cllm::ops
