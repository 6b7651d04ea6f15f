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

// Between the seeds of a run of more than 2^32 micro-steps: 2^64 over the golden ratio, odd, so
// that they all differ.
inline constexpr uint64_t kSeedsApart = 0x9e3779b97f4a7c15;

inline DropoutMask dropout_mask(float p, DropoutKey key) {
  CHECK_MSG(p >= 0 && p < 1, "p={}", p);
  CHECK_MSG(key.site >> 24 == 0, "site={}", key.site);
  // The generator counts 2^32 steps.
  const uint64_t seed = key.seed ^ (key.step >> 32) * kSeedsApart;
  return {{seed, static_cast<uint32_t>(key.step),
           static_cast<uint32_t>(RandomStream::kDropout) | key.site << 8},
          static_cast<uint32_t>(std::ldexp(static_cast<double>(p), 32)),
          static_cast<float>(1.0 / (1.0 - static_cast<double>(p)))};
}

}  // namespace cllm::ops
