// Backward attention of a block of queries: probabilities are recomputed tile by tile from the
// log-sum-exp that the forward pass kept. With P the probabilities and M the dropout factors,
//   dV = (P M)^T dout      dP = M (dout V^T)      dS = scale P (dP - <dout, out>)
//   dQ = dS K              dK = dS^T Q.
// Kernel internal.
#pragma once

#include "kernels/attention_tile_inl.h"
#include "kernels/math_inl.h"

namespace cllm::kernels {

template <class V, class S>
float dot_rows(int64_t n, const S* x, const S* y) {
  typename V::Float sum = V::zero();
  int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes)
    sum = V::fma(V::load(x + i), V::load(y + i), sum);
  if (i < n) sum = V::fma(V::load_partial(x + i, n - i), V::load_partial(y + i, n - i), sum);
  return V::reduce_add(sum);
}

// scores -> probabilities (times dropout), dprobabilities -> scale * dscores, in place.
template <class V>
void backward_column(float* scores, float* dscores, int64_t first_query, int64_t keys,
                     int64_t diagonal, float scale, const float* dropped, const float* log_sum_exps,
                     const float* dots) {
  using F = typename V::Float;
  const TileColumn column = tile_column<V>(first_query, keys, diagonal);
  scores += first_query;
  dscores += first_query;
  if (dropped != nullptr) dropped += first_query;
  const F log_sum_exp = V::load(log_sum_exps + first_query);
  const F dot = V::load(dots + first_query);
  for (int64_t s = 0; s < column.visible; ++s) {
    float* score = scores + s * kQueryBlock;
    float* dscore = dscores + s * kQueryBlock;
    F p = exp<V>(V::sub(V::load(score), log_sum_exp));
    F dp = V::load(dscore);
    if (s >= column.full) {
      p = hide<V>(p, 0, s - diagonal - first_query);
      dp = hide<V>(dp, 0, s - diagonal - first_query);
    }
    F weight = p;
    if (dropped != nullptr) {
      const F factor = V::load(dropped + s * kQueryBlock);
      dp = V::mul(dp, factor);
      weight = V::mul(p, factor);
    }
    V::store(score, weight);
    V::store(dscore, V::mul(V::mul(p, V::set(scale)), V::sub(dp, dot)));
  }
  for (int64_t s = column.visible; s < column.cleared; ++s) {
    V::store(scores + s * kQueryBlock, V::zero());
    V::store(dscores + s * kQueryBlock, V::zero());
  }
}

template <class V>
struct BackwardScratch {
  float *q, *dout, *k, *v, *dq;   // [token][padded D]; v if it must be widened
  float *q_across, *dout_across;  // [D][query]; q times the scale
  float *scores, *dscores, *dropped, *rows;
  float *log_sum_exps, *dots;  // per query; a dot is <dout, out>

  BackwardScratch(float* scratch, int64_t D) {
    const int64_t side = kQueryBlock * padded_head<V>(D), tile = kKeyBlock * kQueryBlock;
    q = scratch;
    dout = q + side;
    k = dout + side;
    v = k + side;
    dq = v + side;
    q_across = dq + side;
    dout_across = q_across + side;
    scores = dout_across + side;
    dscores = scores + tile;
    dropped = dscores + tile;
    rows = dropped + tile;
    log_sum_exps = rows + tile;
    dots = log_sum_exps + kQueryBlock;
  }
};

// log_sum_exps [kQueryBlock], dots [kQueryBlock] = <dout, out>; zero after the last query.
template <class V, class S>
void query_numbers(const AttentionBackward<S>& call, float* log_sum_exps, float* dots) {
  for (int64_t i = 0; i < kQueryBlock; ++i) {
    const bool real = i < call.block.queries;
    log_sum_exps[i] = real ? call.log_sum_exp[i] : 0;
    dots[i] = real ? dot_rows<V>(call.block.D, call.dout.data + i * call.dout.stride,
                                 call.out.data + i * call.out.stride)
                   : 0;
  }
}

// dq of the call, unless it is not wanted, = dq [query][padded D].
template <class V, class S>
void store_queries(const AttentionBackward<S>& call, const float* dq) {
  if (call.dq.data == nullptr) return;
  const int64_t padded = padded_head<V>(call.block.D);
  for (int64_t i = 0; i < call.block.queries; ++i)
    store_row<V>(call.block.D, dq + i * padded, 1.0f, call.dq.data + i * call.dq.stride);
}

// What does not depend on the keys.
template <class V, class S>
void prepare_backward(const AttentionBackward<S>& call, const BackwardScratch<V>& space) {
  const AttentionBlock<S>& block = call.block;
  copy_rows<V>(block.queries, block.D, block.q, space.q);
  copy_rows<V>(block.queries, block.D, call.dout, space.dout);
  transpose_rows<V>(block.queries, block.D, block.q, block.scale, kQueryBlock, space.q_across);
  transpose_rows<V>(block.queries, block.D, call.dout, 1.0f, kQueryBlock, space.dout_across);
  query_numbers<V>(call, space.log_sum_exps, space.dots);
}

// The tiles of probabilities (times dropout) and of dscores.
template <class V, class S>
void backward_probabilities(const AttentionBlock<S>& block, int64_t first, int64_t keys,
                            const BackwardScratch<V>& space) {
  const int64_t diagonal = block.position - first;
  tile_product<V, TilePart::kScores>(
      TileProduct<>{keys, block.queries, block.D, space.k, padded_head<V>(block.D), 1,
                    space.q_across, kQueryBlock, space.scores, kQueryBlock, TileStore::kSet,
                    nullptr},
      diagonal);
  const ConstRows<float> v = as_floats<V>(keys, block.D, rows_from<V>(block.v, first), space.v);
  tile_product<V, TilePart::kScores>(
      TileProduct<>{keys, block.queries, block.D, v.data, v.stride, 1, space.dout_across,
                    kQueryBlock, space.dscores, kQueryBlock, TileStore::kSet, nullptr},
      diagonal);
  const float* dropped = nullptr;
  if (block.dropout.threshold > 0) {
    dropout_tile<V>(block.dropout, block.queries, first, keys, diagonal, space.rows, space.dropped);
    dropped = space.dropped;
  }
  for (int64_t i = 0; i < block.queries; i += V::kLanes)
    backward_column<V>(space.scores, space.dscores, i, keys, diagonal, block.scale, dropped,
                       space.log_sum_exps, space.dots);
}

// rows [keys, D] of a key gradient (store) tile [keys, queries] from [queries, D].
template <class V, class S>
void gather_keys(const AttentionBackward<S>& call, int64_t first, int64_t keys, const float* tile,
                 const float* from, const MutableRows<float>& rows) {
  const TileStore store = first >= call.fresh_from ? TileStore::kSet : TileStore::kAdd;
  tile_product<V, TilePart::kGather>(
      TileProduct<>{keys, call.block.D, call.block.queries, tile, kQueryBlock, 1, from,
                    padded_head<V>(call.block.D), rows.data + first * rows.stride, rows.stride,
                    store, nullptr},
      call.block.position - first);
}

template <class V, class S>
void attention_backward_block(const AttentionBackward<S>& call, float* scratch) {
  const AttentionBlock<S>& block = call.block;
  const int64_t padded = padded_head<V>(block.D);
  const BackwardScratch<V> space(scratch, block.D);
  prepare_backward<V>(call, space);
  const int64_t total = clamp_to<V>(block.position + block.queries, 0, call.key_end);
  for (int64_t first = call.key_begin; first < total; first += kKeyBlock) {
    const int64_t keys = clamp_to<V>(kKeyBlock, 0, total - first);
    copy_rows<V>(keys, block.D, rows_from<V>(block.k, first), space.k);
    backward_probabilities<V>(block, first, keys, space);
    if (call.dk.data != nullptr) {
      gather_keys<V>(call, first, keys, space.scores, space.dout, call.dv);
      gather_keys<V>(call, first, keys, space.dscores, space.q, call.dk);
    }
    if (call.dq.data == nullptr) continue;
    const TileStore store = first == call.key_begin ? TileStore::kSet : TileStore::kAdd;
    tile_product<V, TilePart::kWeigh>(
        TileProduct<>{block.queries, block.D, keys, space.dscores, 1, kQueryBlock, space.k, padded,
                      space.dq, padded, store, nullptr},
        block.position - first);
  }
  store_queries<V>(call, space.dq);
}

}  // namespace cllm::kernels
