// Training batches from a token view: windows of T+1 tokens, T apart, in a new random order every
// epoch. Where it stands is two integers, so a resumed run sees exactly the batches it would have
// seen.
#pragma once

#include <cstdint>

#include "base/philox.h"
#include "data/dataset.h"
#include "data/permutation.h"

namespace cllm {

// The next window to be handed out.
struct LoaderState {
  uint64_t epoch = 0;
  int64_t window = 0;  // its place in the order of the epoch
  bool operator==(const LoaderState&) const = default;
};

// The windows of an epoch begin at a random offset below T (the same for all; less where the text
// would have no window left), so that over the epochs every token is seen at every position. The
// sequence of windows depends on (view, T, seed) alone: k calls with B rows give the rows of one
// call with k·B. Reads the dataset in place, no prefetch. Not thread-safe.
class BatchLoader {
 public:
  // B, T >= 1. Error (kData) if the view is shorter than T+1 tokens.
  BatchLoader(TokenView tokens, int64_t batch, int64_t context, uint64_t seed);

  // tokens, targets [B, T] int32 =: targets are the tokens one place later. No allocation. Batches
  // go on from one epoch into the next.
  void next(int32_t* tokens, int32_t* targets);

  LoaderState state() const { return {epoch_, window_}; }
  // Error (kData) if the state cannot be one of this text.
  void restore(LoaderState state);

  // Windows of the epoch at hand; epochs differ by at most one.
  int64_t windows_in_epoch() const { return windows_; }

 private:
  void begin_epoch(uint64_t epoch);

  TokenView tokens_;
  int64_t batch_;
  int64_t context_;
  Philox source_;
  uint64_t epoch_ = 0;
  int64_t window_ = 0;
  int64_t offset_ = 0;
  int64_t windows_ = 0;
  Permutation order_;
};

// The longest context <= wanted that the view can fill: min(wanted, size - 1). Error (kData) if the
// view has fewer than 2 tokens.
int64_t usable_context(const TokenView& tokens, int64_t wanted);

}  // namespace cllm
