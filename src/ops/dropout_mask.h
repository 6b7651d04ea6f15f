// The random words behind a DropoutKey, the same for every operation that drops elements.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/check.h"
#include "base/philox.h"
#include "kernels/philox.h"
#include "ops/elementwise.h"

namespace cllm::ops {

struct DropoutMask {
  kernels::PhiloxStream stream;
  uint32_t threshold = 0;  // an element is kept if its word is at or above this
  float scale = 1;         // of what is kept
};

inline DropoutMask dropout_mask(float p, DropoutKey key) {
  CHECK_MSG(p >= 0 && p < 1, "p={}", p);
  CHECK_MSG(key.step >> 32 == 0 && key.site >> 24 == 0, "step={} site={}", key.step, key.site);
  return {{key.seed, static_cast<uint32_t>(key.step),
           static_cast<uint32_t>(RandomStream::kDropout) | key.site << 8},
          static_cast<uint32_t>(std::ldexp(static_cast<double>(p), 32)),
          static_cast<float>(1.0 / (1.0 - static_cast<double>(p)))};
}

}  // namespace cllm::ops
