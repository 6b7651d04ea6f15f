// The plain truth of gated activation and dropout.
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/philox.h"

namespace cllm::reference {

template <class T>
T silu(T x) {
  using std::exp;
  return x / (1.0 + exp(-x));
}

// y [N, F] = silu(gate) * up on rows of [gate F | up F].
template <class T>
std::vector<T> swiglu(size_t F, const std::vector<T>& gate_up) {
  std::vector<T> y;
  for (size_t row = 0; row < gate_up.size(); row += 2 * F)
    for (size_t f = 0; f < F; ++f)
      y.push_back(silu(gate_up[row + f]) * gate_up[row + F + f]);
  return y;
}

// Whether element i survives: word i % 4 of block i / 4, counter {block, step, kDropout | site
// << 8}, key seed.
inline bool dropout_keeps(double p, uint64_t seed, uint32_t step, uint32_t site, uint64_t i) {
  const uint64_t block = i / 4;
  const auto words = philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                                 step, static_cast<uint32_t>(RandomStream::kDropout) | site << 8},
                                {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return words[i % 4] >= static_cast<uint32_t>(std::floor(p * 0x1.0p32));
}

}  // namespace cllm::reference
