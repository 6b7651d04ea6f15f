#include "bench/operands.h"

#include <algorithm>

#include "base/philox.h"
#include "ops/chunks.h"

namespace cllm::bench {

Floats random_floats(const ops::Context& context, int64_t count) {
  const auto arena = std::make_shared<Arena>(std::max<int64_t>(count, 1), "operation benchmark");
  const Philox source(1, RandomStream::kTest);
  ops::for_each_chunk(context, count, [&](int64_t begin, int64_t elements) {
    for (int64_t i = begin; i < begin + elements; ++i)
      arena->data()[i] = static_cast<float>(2 * source.uniform(0, static_cast<uint64_t>(i)) - 1);
  });
  return arena;
}

std::vector<int32_t> random_ids(int64_t count, int64_t V) {
  const Philox source(2, RandomStream::kTest);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<int32_t>(source.below(static_cast<uint64_t>(V), 0, i));
  return ids;
}

}  // namespace cllm::bench
