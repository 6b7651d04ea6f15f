// The buffers of the plain pipeline: allocated in every pass and freed after it, as the origins
// did, or kept from one pass to the next.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "tensor/arena.h"

namespace cllm::bench {

// Not thread-safe.
class Buffers {
 public:
  explicit Buffers(bool reuse) : reuse_(reuse) {}

  // At least `floats` elements with undefined contents, on a cache line, readable for a vector
  // beyond; valid until release(). With reuse the k-th call of every pass must ask for the same
  // number.
  float* take(int64_t floats);
  // The end of a pass.
  void release();

 private:
  struct Free {
    void operator()(float* block) const { std::free(block); }
  };

  bool reuse_;
  std::vector<std::unique_ptr<float[], Free>> fresh_;
  std::vector<Arena> kept_;
  size_t taken_ = 0;
};

}  // namespace cllm::bench
