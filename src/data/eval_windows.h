// The windows of a held-out text, in order, for evaluation: non-overlapping, always the same ones.
#pragma once

#include <cstdint>

#include "data/dataset.h"

namespace cllm {

// All full windows of T+1 tokens, T apart: (size-1)/T of them; a text shorter than that is one
// shorter window. Thread-safe.
class EvalWindows {
 public:
  // B, T >= 1. Error (kData) if the view has fewer than 2 tokens.
  EvalWindows(TokenView tokens, int64_t batch, int64_t context);

  int64_t batch_size() const { return batch_; }
  int64_t context() const { return context_; }
  int64_t windows() const { return windows_; }
  int64_t batches() const { return (windows_ + batch_ - 1) / batch_; }
  // Tokens predicted by all batches together.
  int64_t predicted() const { return windows_ * length_; }

  // tokens, targets [B, T] int32 =. Places without text (the rest of the last batch, the end of a
  // short window) have token 0 and target -1. Returns the number of targets that are not -1. No
  // allocation. 0 <= index < batches().
  int64_t batch(int64_t index, int32_t* tokens, int32_t* targets) const;

 private:
  TokenView tokens_;
  int64_t batch_;
  int64_t context_;
  int64_t length_;  // predicted tokens per window: T, or less for a short text
  int64_t windows_;
};

}  // namespace cllm
