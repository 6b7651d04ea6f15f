#include "ops/rotary.h"

#include <cmath>

#include "base/check.h"
#include "ops/row_blocks.h"

namespace cllm::ops {

void rotary_tables(int64_t T, std::span<const double> frequencies, float* cosine, float* sine) {
  const auto half = static_cast<int64_t>(frequencies.size());
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(t) * frequencies[static_cast<size_t>(i)];
      cosine[t * half + i] = static_cast<float>(std::cos(angle));
      sine[t * half + i] = static_cast<float>(std::sin(angle));
    }
  }
}

void rotary(const Context& context, int64_t N, int64_t T, int64_t heads, int64_t D,
            int64_t first_position, const float* cosine, const float* sine, int direction, Values x,
            int64_t stride) {
  const ProfileScope scope(context.profile, "rotary");
  CHECK_MSG(D % 2 == 0 && T >= 1, "D={} T={}", D, T);
  CHECK_MSG(direction == 1 || direction == -1, "direction={}", direction);
  const int64_t half = D / 2;
  const RowBlocks cut(N);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    S* rows = x.as<S>();
    context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
      for (int64_t n = cut.begin(block); n < cut.end(block); ++n) {
        const int64_t table_row = (first_position + n % T) * half;
        context.kernels.of<S>().rows.rotary(heads, half, cosine + table_row, sine + table_row,
                                            static_cast<float>(direction), rows + n * stride);
      }
    });
  });
}

}  // namespace cllm::ops
