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
// call with k·B. Reads the dataset in place. Not thread-safe.
class BatchLoader {
 public:
  // B, T >= 1. Error (kData) if the view is shorter than T+1 tokens.
  BatchLoader(TokenView tokens, int64_t batch, int64_t context, uint64_t seed);

  // tokens, targets [B, T] int32 =: targets are the tokens one place later. No allocation. Batches
  // go on from one epoch into the next. Asks the system for the pages of the batch after this one,
  // which it reads while this one is computed.
  void next(int32_t* tokens, int32_t* targets);

  LoaderState state() const { return {place_.epoch, place_.window}; }
  // Error (kData) if the state cannot be one of this text.
  void restore(LoaderState state);

  // Windows of the epoch at hand; epochs differ by at most one.
  int64_t windows_in_epoch() const { return place_.windows; }

 private:
  struct Place {
    uint64_t epoch;
    int64_t window;  // the next one
    int64_t offset, windows;
    Permutation order;
  };
  Place start_of(uint64_t epoch) const;
  // First token of the window at `place`, which goes on to the next.
  int64_t take_window(Place& place) const;

  TokenView tokens_;
  int64_t batch_;
  int64_t context_;
  Philox source_;
  Place place_;
};

// The longest context <= wanted that the view can fill: min(wanted, size - 1). Error (kData) if the
// view has fewer than 2 tokens.
int64_t usable_context(const TokenView& tokens, int64_t wanted);

}  // namespace cllm
