// Names a stream of random words for kernels: Philox 4x32-10 with the counter
// {block low, block high, step, stream} and the seed as key, the same layout as cllm::Philox.
#pragma once

#include <cstdint>

namespace cllm::kernels {

struct PhiloxStream {
  uint64_t seed = 0;
  uint32_t step = 0;
  uint32_t stream = 0;  // purpose in the low 8 bits, site above
};

}  // namespace cllm::kernels
