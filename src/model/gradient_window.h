// The gradients of a model in less memory than its weights: when the optimizer takes each block's
// gradients as soon as they are complete, the blocks can share two places in turn, one to be
// updated from while the next block's gradients are made in the other, and only what lies outside
// of them (embeddings, final norm, head) needs its own during the whole backward pass.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/transformer.h"

namespace cllm {

// Elements [begin, end) of the parameter arena, alignment gaps included.
struct ParameterRange {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
};

// Immutable; thread-safe.
class GradientWindow {
 public:
  explicit GradientWindow(const Transformer& model);

  // What lies in front of the blocks (embeddings), in one of them, and behind them (final norm, a
  // head of its own).
  ParameterRange front() const { return {0, first_block_}; }
  ParameterRange block(size_t layer) const { return blocks_[layer]; }
  ParameterRange back() const { return {last_block_, arena_floats_}; }
  // All of them in the order of the arena.
  std::vector<ParameterRange> ranges() const;

  // Elements of the window: front, back, and the largest block, twice if there are two blocks.
  int64_t floats() const {
    return front().count() + back().count() +
           std::min<int64_t>(std::ssize(blocks_), 2) * largest_block_;
  }
  // Where the gradients of `range`, one of the above, begin in the window.
  float* at(ParameterRange range, float* window) const;
  // The same, as the place of the arena's element 0: element i of the range is base(...)[i].
  float* base(ParameterRange range, float* window) const;

 private:
  std::vector<ParameterRange> blocks_;
  int64_t first_block_ = 0, last_block_ = 0, arena_floats_ = 0, largest_block_ = 0;
};

}  // namespace cllm
