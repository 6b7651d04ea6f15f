// Forward attention of a block of queries: scores, running softmax (Milakov & Gimelshein, "Online
// normalizer calculation for softmax", 2018) and weighted values, tile by tile. Kernel internal.
#pragma once

#include <float.h>
#include <math.h>

#include "kernels/attention_tile_inl.h"
#include "kernels/math_inl.h"

namespace cllm::kernels {

// The running softmax of a block: per query the maximum score so far and the sum of exponentials
// relative to it.
struct RunningSoftmax {
  float* maxima;
  float* sums;
  float* factors;  // by which the tile just seen shrinks what was accumulated before
};

template <class V>
void start_softmax(const RunningSoftmax& running) {
  for (int64_t i = 0; i < kQueryBlock; ++i) {
    running.maxima[i] = -FLT_MAX;
    running.sums[i] = 0;
  }
}

// scores -> exp(score - maximum), in place, maxima, sums and factors updated; with dropout the
// tile (not the sums) is multiplied by dropped.
template <class V>
void softmax_column(float* tile, int64_t first_query, int64_t keys, int64_t diagonal,
                    const float* dropped, const RunningSoftmax& running) {
  using F = typename V::Float;
  const TileColumn column = tile_column<V>(first_query, keys, diagonal);
  tile += first_query;
  if (dropped != nullptr) dropped += first_query;
  const F before = V::load(running.maxima + first_query);
  F maximum = before;
  for (int64_t s = 0; s < column.visible; ++s) {
    F x = V::load(tile + s * kQueryBlock);
    if (s >= column.full) {
      x = hide<V>(x, -FLT_MAX, s - diagonal - first_query);
      V::store(tile + s * kQueryBlock, x);
    }
    maximum = V::max(maximum, x);
  }
  F sum = V::zero();
  for (int64_t s = 0; s < column.visible; ++s) {
    F p = exp<V>(V::sub(V::load(tile + s * kQueryBlock), maximum));
    if (s >= column.full) p = hide<V>(p, 0, s - diagonal - first_query);
    sum = V::add(sum, p);
    if (dropped != nullptr) p = V::mul(p, V::load(dropped + s * kQueryBlock));
    V::store(tile + s * kQueryBlock, p);
  }
  for (int64_t s = column.visible; s < column.cleared; ++s)
    V::store(tile + s * kQueryBlock, V::zero());
  const F factor = exp<V>(V::sub(before, maximum));
  V::store(running.maxima + first_query, maximum);
  V::store(running.factors + first_query, factor);
  V::store(running.sums + first_query, V::fma(V::load(running.sums + first_query), factor, sum));
}

// out [queries, D] = accumulated / sum; log_sum_exp = maximum + log(sum).
template <class V, class S>
void finish_forward(const AttentionForward<S>& call, const float* accumulated,
                    const RunningSoftmax& running) {
  const int64_t D = call.block.D;
  for (int64_t i = 0; i < call.block.queries; ++i) {
    store_row<V>(D, accumulated + i * padded_head<V>(D), 1.0f / running.sums[i],
                 call.out.data + i * call.out.stride);
    if (call.log_sum_exp != nullptr)
      call.log_sum_exp[i] = running.maxima[i] + logf(running.sums[i]);
  }
}

template <class V>
struct ForwardScratch {
  float* queries;      // [D][query], times the scale
  float* values;       // [key][padded D]: keys, if they must be widened, then values
  float* accumulated;  // [query][padded D]
  float *scores, *dropped, *rows;
  RunningSoftmax running;

  ForwardScratch(float* scratch, int64_t D) {
    const int64_t side = kQueryBlock * padded_head<V>(D), tile = kKeyBlock * kQueryBlock;
    queries = scratch;
    values = queries + side;
    accumulated = values + side;
    scores = accumulated + side;
    dropped = scores + tile;
    rows = dropped + tile;
    float* numbers = rows + tile;
    running = {numbers, numbers + kQueryBlock, numbers + 2 * kQueryBlock};
  }
};

// Takes the keys [first, first + keys) into the running softmax.
template <class V, class S>
void forward_tile(const AttentionBlock<S>& block, int64_t first, int64_t keys,
                  const ForwardScratch<V>& space) {
  const int64_t padded = padded_head<V>(block.D), diagonal = block.position - first;
  const ConstRows<float> k =
      as_floats<V>(keys, block.D, rows_from<V>(block.k, first), space.values);
  tile_product<V, TilePart::kScores>(
      TileProduct<>{keys, block.queries, block.D, k.data, k.stride, 1, space.queries, kQueryBlock,
                    space.scores, kQueryBlock, TileStore::kSet, nullptr},
      diagonal);
  const float* dropped = nullptr;
  if (block.dropout.threshold > 0) {
    dropout_tile<V>(block.dropout, block.queries, first, keys, diagonal, space.rows, space.dropped);
    dropped = space.dropped;
  }
  for (int64_t i = 0; i < block.queries; i += V::kLanes)
    softmax_column<V>(space.scores, i, keys, diagonal, dropped, space.running);
  copy_rows<V>(keys, block.D, rows_from<V>(block.v, first), space.values);
  const TileStore store = first == 0 ? TileStore::kSet : TileStore::kScaleAdd;
  tile_product<V, TilePart::kWeigh>(
      TileProduct<>{block.queries, block.D, keys, space.scores, 1, kQueryBlock, space.values,
                    padded, space.accumulated, padded, store, space.running.factors},
      diagonal);
}

template <class V, class S>
void attention_forward_block(const AttentionForward<S>& call, float* scratch) {
  const AttentionBlock<S>& block = call.block;
  const ForwardScratch<V> space(scratch, block.D);
  start_softmax<V>(space.running);
  transpose_rows<V>(block.queries, block.D, block.q, block.scale, kQueryBlock, space.queries);
  const int64_t total = block.position + block.queries;
  for (int64_t first = 0; first < total; first += kKeyBlock)
    forward_tile<V>(block, first, clamp_to<V>(kKeyBlock, 0, total - first), space);
  finish_forward<V>(call, space.accumulated, space.running);
}

}  // namespace cllm::kernels
