#include "ops/attention.h"

#include <algorithm>
#include <type_traits>

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
template <class S>
kernels::ConstRows<S> at(const ConstHeadRows& rows, int64_t D, int64_t b, int64_t head, int64_t t) {
  const int64_t offset = b * rows.batch_stride + t * rows.row_stride + head * D;
  return {(rows.data + offset).template as<S>(), rows.row_stride};
}
template <class S>
kernels::MutableRows<S> at(const HeadRows& rows, int64_t D, int64_t b, int64_t head, int64_t t) {
  const int64_t offset = b * rows.batch_stride + t * rows.row_stride + head * D;
  return {(rows.data + offset).template as<S>(), rows.row_stride};
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

template <class S>
kernels::AttentionBlock<S> block_at(const Inputs& in, int64_t b, int64_t h, int64_t t,
                                    int64_t queries) {
  const AttentionShape& s = in.shape;
  const int64_t kv = h / (s.H / s.K);
  kernels::AttentionBlock<S> block;
  block.queries = queries;
  block.position = s.S - s.T + t;
  block.D = s.D;
  block.scale = s.scale;
  block.q = at<S>(in.q, s.D, b, h, t);
  block.k = at<S>(in.k, s.D, b, kv, 0);
  block.v = at<S>(in.v, s.D, b, kv, 0);
  block.dropout = dropout_at(s, b, h, t);
  return block;
}

// Floats per worker in which 16-bit key and value gradients of a head are summed.
int64_t sums_floats(const AttentionShape& s, Storage storage) {
  return storage == Storage::kFp32 ? 0 : 2 * s.S * kernels::attention_padded(s.D);
}

int64_t worker_floats(const AttentionShape& s, Storage storage) {
  return std::max(kernels::attention_forward_floats(s.D),
                  kernels::attention_backward_floats(s.D) + sums_floats(s, storage));
}

// What the backward pass reads and writes, and its scratch.
template <class S>
struct Backward {
  const Context& context;
  Inputs in;
  ConstHeadRows out;
  const float* log_sum_exp;
  ConstHeadRows dout;
  HeadRows dq, dk, dv;
  float* scratch;

  float* space(int worker) const {
    return scratch + worker * worker_floats(in.shape, kernels::kStorageOf<S>);
  }

  // Where query blocks add up the key (part 0) or value (part 1) gradients of a KV head: the rows
  // themselves if they are fp32, else fp32 sums of the worker.
  kernels::MutableRows<float> sums(const HeadRows& rows, int part, int64_t b, int64_t kv,
                                   int worker) const {
    const int64_t D = in.shape.D;
    if constexpr (std::is_same_v<S, float>) {
      return at<float>(rows, D, b, kv, 0);
    } else {
      float* after = space(worker) + kernels::attention_backward_floats(D);
      return {after + part * in.shape.S * kernels::attention_padded(D),
              kernels::attention_padded(D)};
    }
  }

  // The gradients that query block i of head h makes with the keys [key_begin, key_end).
  void run(int64_t b, int64_t h, int64_t i, int64_t key_begin, int64_t key_end, bool queries_wanted,
           bool keys_wanted, int worker) const {
    const AttentionShape& s = in.shape;
    const int64_t t = i * kQueryBlock, group = s.H / s.K;
    kernels::AttentionBackward<S> call;
    call.block = block_at<S>(in, b, h, t, std::min(kQueryBlock, s.T - t));
    call.out = at<S>(out, s.D, b, h, t);
    call.dout = at<S>(dout, s.D, b, h, t);
    call.log_sum_exp = log_sum_exp + (b * s.H + h) * s.T + t;
    call.key_begin = key_begin;
    call.key_end = key_end;
    if (queries_wanted) call.dq = at<S>(dq, s.D, b, h, t);
    if (keys_wanted) {
      call.dk = sums(dk, 0, b, h / group, worker);
      call.dv = sums(dv, 1, b, h / group, worker);
    }
    // Query blocks come in rising order, so the first to see the keys of its own block is the
    // diagonal one of the group's first head.
    call.fresh_from = h % group == 0 ? t : s.S;
    context.kernels.of<S>().attention.backward(call, space(worker));
  }

  // Rounds the finished gradients of the keys [begin, end) of a KV head into place.
  void store_keys(int64_t b, int64_t kv, int64_t begin, int64_t end, int worker) const {
    if constexpr (!std::is_same_v<S, float>) {
      const int64_t D = in.shape.D;
      int part = 0;
      for (const HeadRows* rows : {&dk, &dv}) {
        const auto sum = sums(*rows, part++, b, kv, worker);
        const auto row = at<S>(*rows, D, b, kv, 0);
        for (int64_t key = begin; key < end; ++key)
          context.kernels.of<S>().rows.narrow(D, sum.data + key * sum.stride,
                                              row.data + key * row.stride);
      }
    }
  }
};

// One task per (sequence, KV head): dk and dv have one writer, which sees every query of the group.
// These share nothing, so there is no order of tiles to choose.
template <class S>
void backward_by_head(const Backward<S>& pass) {
  const AttentionShape& s = pass.in.shape;
  const int64_t group = s.H / s.K;
  pass.context.pool.parallel_for(s.B * s.K, [&](int64_t task, int worker) {
    const int64_t b = task / s.K, kv = task % s.K;
    for (int64_t h = kv * group; h < (kv + 1) * group; ++h)
      for (int64_t i = 0; i < blocks_of(s.T); ++i)
        pass.run(b, h, i, 0, s.S, true, true, worker);
    pass.store_keys(b, kv, 0, s.S, worker);
  });
}

// One task per pair of key blocks for dk and dv, then one per pair of query blocks for dq.
template <class S>
void backward_by_block(const Backward<S>& pass) {
  const AttentionShape& s = pass.in.shape;
  const int64_t group = s.H / s.K, blocks = blocks_of(s.T), pairs = pairs_of(blocks);
  pass.context.pool.parallel_for(s.B * s.K * pairs, [&](int64_t task, int worker) {
    const Tile tile = tile_at(pass.context.tiles, pairs, s.B * s.K, task);
    const int64_t b = tile.second / s.K, kv = tile.second % s.K;
    for_pair(tile.first, blocks, [&](int64_t keys) {
      const int64_t begin = keys * kQueryBlock, end = begin + kQueryBlock;
      for (int64_t h = kv * group; h < (kv + 1) * group; ++h)
        for (int64_t i = keys; i < blocks; ++i)
          pass.run(b, h, i, begin, end, false, true, worker);
      pass.store_keys(b, kv, begin, std::min(end, s.S), worker);
    });
  });
  pass.context.pool.parallel_for(s.B * s.H * pairs, [&](int64_t task, int worker) {
    const Tile tile = tile_at(pass.context.tiles, pairs, s.B * s.H, task);
    for_pair(tile.first, blocks, [&](int64_t i) {
      pass.run(tile.second / s.H, tile.second % s.H, i, 0, s.S, true, false, worker);
    });
  });
}

// batch_stride 0 means that the sequences follow one another.
template <class Rows>
Rows resolved(Rows rows, int64_t tokens) {
  if (rows.batch_stride == 0) rows.batch_stride = tokens * rows.row_stride;
  return rows;
}

template <class S>
void forward(const Context& context, const Inputs& in, const HeadRows& out, float* log_sum_exp,
             float* scratch) {
  const AttentionShape& s = in.shape;
  const bool one_by_one = s.T < kFewQueries && s.dropout == 0;
  const int64_t size = one_by_one ? 1 : kQueryBlock;
  const int64_t blocks = (s.T + size - 1) / size, pairs = pairs_of(blocks);
  const auto& kernels = context.kernels.of<S>().attention;
  context.pool.parallel_for(s.B * s.H * pairs, [&](int64_t task, int worker) {
    const Tile tile = tile_at(context.tiles, pairs, s.B * s.H, task);
    const int64_t b = tile.second / s.H, h = tile.second % s.H;
    for_pair(tile.first, blocks, [&](int64_t i) {
      const int64_t t = i * size;
      kernels::AttentionForward<S> call;
      call.block = block_at<S>(in, b, h, t, std::min(size, s.T - t));
      call.out = at<S>(out, s.D, b, h, t);
      if (log_sum_exp != nullptr) call.log_sum_exp = log_sum_exp + (b * s.H + h) * s.T + t;
      if (one_by_one)
        kernels.forward_one(call);
      else
        kernels.forward(call, scratch + worker * worker_floats(s, kernels::kStorageOf<S>));
    });
  });
}

}  // namespace

void attention_forward(const Context& context, const AttentionShape& shape, ConstHeadRows q,
                       ConstHeadRows k, ConstHeadRows v, HeadRows out, float* log_sum_exp,
                       float* scratch) {
  const ProfileScope scope(context.profile, "attention forward");
  check_shape(shape);
  const Inputs in{shape, resolved(q, shape.T), resolved(k, shape.S), resolved(v, shape.S)};
  with_storage(q.data.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    forward<S>(context, in, resolved(out, shape.T), log_sum_exp, scratch);
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
  with_storage(q.data.storage(), [&](auto tag) {
    const Backward<typename decltype(tag)::Type> pass{
        context,
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
  });
}

size_t attention_scratch(const Context& context, const AttentionShape& shape, Storage storage) {
  return static_cast<size_t>(context.pool.size() * worker_floats(shape, storage));
}

}  // namespace cllm::ops
