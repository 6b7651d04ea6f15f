#include "ops/attention.h"

#include <algorithm>

#include "base/check.h"
#include "ops/dropout_mask.h"

namespace cllm::ops {
namespace {

using kernels::kQueryBlock;

// Below this many queries a sequence is decoded one query at a time: the lanes of a block of
// queries would be mostly empty.
constexpr int64_t kFewQueries = 4;

// With fewer (sequence, KV head) pairs than this, the backward pass is cut finer and recomputes the
// scores once more: 7 products per tile instead of 5, so it pays only where the coarse cut would
// leave more than two of seven threads idle.
constexpr int64_t kFewPairs = 4;

int64_t blocks_of(int64_t tokens) {
  return (tokens + kQueryBlock - 1) / kQueryBlock;
}

// Causal work grows with the position of a block, so a task takes one block from each end: all
// tasks but a middle one cost the same, and the equal shares of the pool are equal work.
int64_t pairs_of(int64_t blocks) {
  return (blocks + 1) / 2;
}
template <class Body>
void for_pair(int64_t pair, int64_t blocks, Body body) {
  body(pair);
  if (blocks - 1 - pair != pair) body(blocks - 1 - pair);
}

void check_shape(const AttentionShape& s) {
  CHECK_MSG(s.B >= 0 && s.T >= 0 && s.S >= s.T && s.D >= 1 && s.K >= 1 && s.H >= 1 &&
                s.H % s.K == 0 && s.dropout >= 0 && s.dropout < 1,
            "B={} T={} S={} H={} K={} D={} dropout={}", s.B, s.T, s.S, s.H, s.K, s.D, s.dropout);
}

// Head `head` of sequence b from token t on.
kernels::ConstRows at(const ConstHeadRows& rows, int64_t D, int64_t b, int64_t head, int64_t t) {
  return {rows.data + b * rows.batch_stride + t * rows.row_stride + head * D, rows.row_stride};
}
kernels::MutableRows at(const HeadRows& rows, int64_t D, int64_t b, int64_t head, int64_t t) {
  return {rows.data + b * rows.batch_stride + t * rows.row_stride + head * D, rows.row_stride};
}

kernels::AttentionDropout dropout_at(const AttentionShape& s, int64_t b, int64_t h, int64_t t) {
  if (s.dropout == 0) return {};
  const DropoutMask mask = dropout_mask(s.dropout, s.dropout_key);
  return {mask.stream, static_cast<uint64_t>(((b * s.H + h) * s.T + t) * s.S),
          static_cast<uint64_t>(s.S), mask.threshold, mask.scale};
}

struct Inputs {
  const AttentionShape& shape;
  ConstHeadRows q, k, v;
};

kernels::AttentionBlock block_at(const Inputs& in, int64_t b, int64_t h, int64_t t,
                                 int64_t queries) {
  const AttentionShape& s = in.shape;
  const int64_t kv = h / (s.H / s.K);
  kernels::AttentionBlock block;
  block.queries = queries;
  block.position = s.S - s.T + t;
  block.D = s.D;
  block.scale = s.scale;
  block.q = at(in.q, s.D, b, h, t);
  block.k = at(in.k, s.D, b, kv, 0);
  block.v = at(in.v, s.D, b, kv, 0);
  block.dropout = dropout_at(s, b, h, t);
  return block;
}

// What the backward pass reads and writes, and its scratch.
struct Backward {
  const Context& context;
  Inputs in;
  ConstHeadRows out;
  const float* log_sum_exp;
  ConstHeadRows dout;
  HeadRows dq, dk, dv;
  float* scratch;

  // The gradients that query block i of head h makes with the keys [key_begin, key_end).
  void run(int64_t b, int64_t h, int64_t i, int64_t key_begin, int64_t key_end, bool queries_wanted,
           bool keys_wanted, int worker) const {
    const AttentionShape& s = in.shape;
    const int64_t t = i * kQueryBlock, group = s.H / s.K;
    kernels::AttentionBackward call;
    call.block = block_at(in, b, h, t, std::min(kQueryBlock, s.T - t));
    call.out = at(out, s.D, b, h, t);
    call.dout = at(dout, s.D, b, h, t);
    call.log_sum_exp = log_sum_exp + (b * s.H + h) * s.T + t;
    call.key_begin = key_begin;
    call.key_end = key_end;
    if (queries_wanted) call.dq = at(dq, s.D, b, h, t);
    if (keys_wanted) {
      call.dk = at(dk, s.D, b, h / group, 0);
      call.dv = at(dv, s.D, b, h / group, 0);
    }
    // Query blocks come in rising order, so the first to see the keys of its own block is the
    // diagonal one of the group's first head.
    call.fresh_from = h % group == 0 ? t : s.S;
    context.kernels.attention.backward(call,
                                       scratch + worker * kernels::attention_backward_floats(s.D));
  }
};

// One task per (sequence, KV head): dk and dv have one writer, which sees every query of the group.
void backward_by_head(const Backward& pass) {
  const AttentionShape& s = pass.in.shape;
  const int64_t group = s.H / s.K;
  pass.context.pool.parallel_for(s.B * s.K, [&](int64_t task, int worker) {
    const int64_t b = task / s.K, kv = task % s.K;
    for (int64_t h = kv * group; h < (kv + 1) * group; ++h)
      for (int64_t i = 0; i < blocks_of(s.T); ++i)
        pass.run(b, h, i, 0, s.S, true, true, worker);
  });
}

// One task per pair of key blocks for dk and dv, then one per pair of query blocks for dq.
void backward_by_block(const Backward& pass) {
  const AttentionShape& s = pass.in.shape;
  const int64_t group = s.H / s.K, blocks = blocks_of(s.T), pairs = pairs_of(blocks);
  pass.context.pool.parallel_for(s.B * s.K * pairs, [&](int64_t task, int worker) {
    const int64_t b = task / pairs / s.K, kv = task / pairs % s.K;
    for_pair(task % pairs, blocks, [&](int64_t keys) {
      for (int64_t h = kv * group; h < (kv + 1) * group; ++h)
        for (int64_t i = keys; i < blocks; ++i)
          pass.run(b, h, i, keys * kQueryBlock, (keys + 1) * kQueryBlock, false, true, worker);
    });
  });
  pass.context.pool.parallel_for(s.B * s.H * pairs, [&](int64_t task, int worker) {
    for_pair(task % pairs, blocks, [&](int64_t i) {
      pass.run(task / pairs / s.H, task / pairs % s.H, i, 0, s.S, true, false, worker);
    });
  });
}

// batch_stride 0 means that the sequences follow one another.
template <class Rows>
Rows resolved(Rows rows, int64_t tokens) {
  if (rows.batch_stride == 0) rows.batch_stride = tokens * rows.row_stride;
  return rows;
}

}  // namespace

void attention_forward(const Context& context, const AttentionShape& shape, ConstHeadRows q,
                       ConstHeadRows k, ConstHeadRows v, HeadRows out, float* log_sum_exp,
                       float* scratch) {
  const ProfileScope scope(context.profile, "attention forward");
  check_shape(shape);
  const AttentionShape& s = shape;
  const Inputs in{s, resolved(q, s.T), resolved(k, s.S), resolved(v, s.S)};
  out = resolved(out, s.T);
  const bool one_by_one = s.T < kFewQueries && s.dropout == 0;
  const int64_t size = one_by_one ? 1 : kQueryBlock;
  const int64_t blocks = (s.T + size - 1) / size, pairs = pairs_of(blocks);
  context.pool.parallel_for(s.B * s.H * pairs, [&](int64_t task, int worker) {
    const int64_t b = task / pairs / s.H, h = task / pairs % s.H;
    for_pair(task % pairs, blocks, [&](int64_t i) {
      const int64_t t = i * size;
      kernels::AttentionForward call;
      call.block = block_at(in, b, h, t, std::min(size, s.T - t));
      call.out = at(out, s.D, b, h, t);
      if (log_sum_exp != nullptr) call.log_sum_exp = log_sum_exp + (b * s.H + h) * s.T + t;
      if (one_by_one)
        context.kernels.attention.forward_one(call);
      else
        context.kernels.attention.forward(
            call, scratch + worker * kernels::attention_forward_floats(s.D));
    });
  });
}

void attention_backward(const Context& context, const AttentionShape& shape, ConstHeadRows q,
                        ConstHeadRows k, ConstHeadRows v, ConstHeadRows out,
                        const float* log_sum_exp, ConstHeadRows dout, HeadRows dq, HeadRows dk,
                        HeadRows dv, float* scratch) {
  const ProfileScope scope(context.profile, "attention backward");
  check_shape(shape);
  CHECK_EQ(shape.S, shape.T);
  const int64_t T = shape.T;
  const Backward pass{context,
                      {shape, resolved(q, T), resolved(k, T), resolved(v, T)},
                      resolved(out, T),
                      log_sum_exp,
                      resolved(dout, T),
                      resolved(dq, T),
                      resolved(dk, T),
                      resolved(dv, T),
                      scratch};
  if (shape.B * shape.K < kFewPairs && T > kQueryBlock)
    backward_by_block(pass);
  else
    backward_by_head(pass);
}

size_t attention_scratch(const Context& context, const AttentionShape& shape) {
  const int64_t floats = std::max(kernels::attention_forward_floats(shape.D),
                                  kernels::attention_backward_floats(shape.D));
  return static_cast<size_t>(context.pool.size() * floats);
}

}  // namespace cllm::ops
