// Columns of rows shared among threads, whole cache lines each: for sums whose elements have a
// fixed order whoever makes them, so that the cut may follow the threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace cllm::ops {

class ColumnShares {
 public:
  // Of C >= 1 columns of floats.
  ColumnShares(int64_t C, int threads) : columns_(C) {
    const int64_t share = (C + threads - 1) / threads;
    share_ = (share + kLine - 1) / kLine * kLine;
  }
  int64_t tasks() const { return (columns_ + share_ - 1) / share_; }
  int64_t first(int64_t task) const { return task * share_; }
  int64_t count(int64_t task) const { return std::min(share_, columns_ - first(task)); }

 private:
  static constexpr int64_t kLine = 16;  // floats of a cache line
  int64_t columns_, share_;
};

}  // namespace cllm::ops
