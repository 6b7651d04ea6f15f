// Causal multi-head attention with grouped KV heads, in tiles: no T x T matrix is kept; the forward
// keeps the log-sum-exp of each query row, the backward recomputes probabilities from it (Dao et
// al., FlashAttention, 2022). Threads over (sequence, head, pair of query blocks) forward and over
// (sequence, KV head) backward, or over pairs of blocks where those are too few: the cut depends on
// the shape only and dK and dV have one writer each, so bits do not depend on threads.
// All rows of a call are of one element type. No mask is kept either: a tile compares positions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/context.h"
#include "ops/elementwise.h"
#include "ops/values.h"

namespace cllm::ops {

struct AttentionShape {
  int64_t B = 0;  // sequences
  int64_t T = 0;  // query tokens per sequence
  int64_t S =
      0;  // key/value tokens per sequence; query t sees keys [0, S - T + t]. Training: S == T.
  int64_t H = 0;      // query heads
  int64_t K = 0;      // key/value heads; H % K == 0; query head h reads KV head h / (H / K)
  int64_t D = 0;      // head size
  float scale = 0;    // usually 1/sqrt(D)
  float dropout = 0;  // on probabilities, training only
  DropoutKey dropout_key;
};

// A matrix of rows: element (sequence b, token t, head h, d) at data[(b * tokens + t) * row_stride
// + h * D + d] with `tokens` = T or S; a batch_stride other than 0 (KV cache) takes the place of
// tokens * row_stride.
struct HeadRows {
  Values data;
  int64_t row_stride = 0;    // elements between tokens
  int64_t batch_stride = 0;  // elements between sequences
};
struct ConstHeadRows {
  ConstValues data;
  int64_t row_stride = 0;
  int64_t batch_stride = 0;
};

// out = softmax(scale * q k^T, causal) v; log_sum_exp [B, H, T] = (may be null in inference).
// scratch: attention_scratch(context, shape) floats, 64-byte aligned.
void attention_forward(const Context& context, const AttentionShape& shape, ConstHeadRows q,
                       ConstHeadRows k, ConstHeadRows v, HeadRows out, float* log_sum_exp,
                       float* scratch);

// dq, dk, dv = (overwritten). out and log_sum_exp as the forward left them. Needs S == T.
void attention_backward(const Context& context, const AttentionShape& shape, ConstHeadRows q,
                        ConstHeadRows k, ConstHeadRows v, ConstHeadRows out,
                        const float* log_sum_exp, ConstHeadRows dout, HeadRows dq, HeadRows dk,
                        HeadRows dv, float* scratch);

// Floats of scratch for both passes, for the context's thread count.
size_t attention_scratch(const Context& context, const AttentionShape& shape,
                         Storage storage = Storage::kFp32);

}  // namespace cllm::ops
