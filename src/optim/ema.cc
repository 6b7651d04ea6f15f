#include "optim/ema.h"

#include <algorithm>

#include "base/check.h"
#include "ops/chunks.h"

namespace cllm::optim {

double ema_decay(double decay, int64_t update) {
  CHECK_MSG(update >= 1, "update={}", update);
  return std::min(decay, static_cast<double>(update) / static_cast<double>(9 + update));
}

void ema_update(const ops::Context& context, double decay, int64_t count, const float* weights,
                float* average) {
  const ops::ProfileScope scope(context.profile, "weight average");
  const auto rate = static_cast<float>(1 - decay);
  ops::for_each_chunk(context, count, [=](int64_t begin, int64_t length) {
    for (int64_t i = begin; i < begin + length; ++i)
      average[i] += rate * (weights[i] - average[i]);
  });
}

}  // namespace cllm::optim
