#include "number/modular.h"

#include <algorithm>
#include <cmath>

namespace cllm::number {

uint64_t integer_root(uint64_t n) {
  constexpr uint64_t kLargest = 0xffffffffu;
  // The root of double is off by one at most, where n has more than 53 bits.
  uint64_t root = std::min(static_cast<uint64_t>(std::sqrt(static_cast<double>(n))), kLargest);
  while (root * root > n)
    --root;
  while (root < kLargest && (root + 1) * (root + 1) <= n)
    ++root;
  return root;
}

}  // namespace cllm::number
