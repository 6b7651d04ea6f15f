// Kernels on blocks of causal attention (Dao et al., "FlashAttention", 2022): one block of queries
// of one head against its keys, tile by tile, without ever holding the T x T scores. Tiles are kept
// transposed, [key][query], so that queries lie along lanes: maxima, sums and the mask need no
// horizontal step, and keys and values are read where they lie.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/philox.h"

namespace cllm::kernels {

inline constexpr int64_t kQueryBlock = 64;  // queries per call
inline constexpr int64_t kKeyBlock = 64;    // keys per tile; divides kQueryBlock

// Rows of D elements of type S (kernels/storage.h), `stride` elements apart.
template <class S>
struct ConstRows {
  const S* data = nullptr;
  int64_t stride = 0;
};
template <class S>
struct MutableRows {
  S* data = nullptr;
  int64_t stride = 0;
};

// Dropout on probabilities: query i of the block and key s draw element first + i * row + s (see
// philox_inl.h); kept if its word >= threshold, and then multiplied by scale. threshold 0: none.
struct AttentionDropout {
  PhiloxStream stream;
  uint64_t first = 0;
  uint64_t row = 0;
  uint32_t threshold = 0;
  float scale = 1;
};

// A block of queries. Query i sees the keys [0, position + i]; position >= 0.
template <class S>
struct AttentionBlock {
  int64_t queries = 0;  // at most kQueryBlock
  int64_t position = 0;
  int64_t D = 0;
  float scale = 0;  // positive
  ConstRows<S> q, k, v;
  AttentionDropout dropout;
};

template <class S>
struct AttentionForward {
  AttentionBlock<S> block;
  MutableRows<S> out;
  float* log_sum_exp = nullptr;  // [queries], natural logarithm; may be null
};

template <class S>
struct AttentionBackward {
  AttentionBlock<S> block;
  ConstRows<S> out, dout;
  const float* log_sum_exp = nullptr;  // [queries]
  // Only the key tiles of [key_begin, key_end) take part; key_begin is a multiple of kKeyBlock.
  int64_t key_begin = 0;
  int64_t key_end = 0;
  MutableRows<S> dq;  // = the sum over these keys; data may be null: not wanted
  // Row s = (key tiles at or after fresh_from) or += (before); data of both may be null: not
  // wanted. Rows count from key 0. fp32, because query block after query block adds to them.
  MutableRows<float> dk, dv;
  int64_t fresh_from = 0;
};

// Scores, softmax statistics and sums are fp32. The avx512_bf16 table multiplies pairs of bf16 if S
// is Bf16, D is even and so are the strides of k and v: it rounds probabilities and the gradients
// of scores to bf16 before they are multiplied. Every other table and case multiplies in fp32.
template <class S>
struct AttentionKernels {
  // out = softmax(scale q k^T, causal) v. scratch: attention_forward_floats(D).
  void (*forward)(const AttentionForward<S>& call, float* scratch);
  // The same for one query (block.queries == 1) without dropout: keys are read once, D along lanes.
  // scratch: none.
  void (*forward_one)(const AttentionForward<S>& call);
  // Probabilities are recomputed from log_sum_exp. scratch: attention_backward_floats(D).
  void (*backward)(const AttentionBackward<S>& call, float* scratch);
};

// A head padded to whole vectors of every instruction set.
constexpr int64_t attention_padded(int64_t D) {
  return (D + 15) / 16 * 16;
}

// Floats of scratch, 64-byte aligned. The tiles [key][query] and [query][key] of one block, the
// rows of a block (padded or transposed), and a few numbers per query.
constexpr int64_t attention_forward_floats(int64_t D) {
  return 4 * kKeyBlock * kQueryBlock + 3 * kQueryBlock * attention_padded(D) + 3 * kQueryBlock;
}
constexpr int64_t attention_backward_floats(int64_t D) {
  return 6 * kKeyBlock * kQueryBlock + 7 * kQueryBlock * attention_padded(D) + 2 * kQueryBlock;
}

}  // namespace cllm::kernels
