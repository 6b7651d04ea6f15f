// A random permutation of 0..size-1 in O(1) memory, so that an epoch over billions of windows is
// shuffled without a table: a Feistel network over the next power of four, with Philox as the round
// function, walked until it falls below size ("cycle walking": Black and Rogaway, "Ciphers with
// arbitrary finite domains", CT-RSA 2002).
#pragma once

#include <cstdint>

#include "base/philox.h"

namespace cllm {

// A pure function of (seed and stream of `source`, epoch, size). Thread-safe.
class Permutation {
 public:
  // 1 <= size <= 2^62. Uses the numbers of `source` at step `epoch` with indices >= 2^32.
  Permutation(Philox source, uint64_t epoch, int64_t size);

  // 0 <= index < size. Expected cost: at most 4 walks (64 for size < 16) of 8 Philox blocks.
  int64_t operator()(int64_t index) const;

 private:
  uint64_t walk(uint64_t value) const;

  Philox source_;
  uint64_t epoch_;
  uint64_t size_;
  int half_bits_;
};

}  // namespace cllm
