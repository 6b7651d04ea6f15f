// Forward attention of a block of queries in products of bf16 pairs. Kernel internal.
#pragma once

#include "kernels/attention_forward_inl.h"
#include "kernels/attention_pairs_inl.h"

namespace cllm::kernels {

template <class V>
struct PairsForwardScratch {
  float* queries;      // [D / 2][query] pairs along D
  Bf16Pair* values;    // [key / 2][padded D] pairs of keys
  float* accumulated;  // [query][padded D]
  float *scores, *dropped, *rows;
  Bf16Pair* weights;  // [key / 2][query] pairs of keys
  RunningSoftmax running;

  PairsForwardScratch(float* scratch, int64_t D) {
    const int64_t side = kQueryBlock * padded_head<V>(D), tile = kKeyBlock * kQueryBlock;
    queries = scratch;
    values = as_pairs<V>(queries + side);
    accumulated = queries + 2 * side;
    scores = accumulated + side;
    dropped = scores + tile;
    rows = dropped + tile;
    weights = as_pairs<V>(rows + tile);
    float* numbers = rows + 2 * tile;
    running = {numbers, numbers + kQueryBlock, numbers + 2 * kQueryBlock};
  }
};

// The largest score of a column, and of what was seen before.
template <class V>
typename V::Float column_maximum(const float* scores, int64_t first_query, int64_t diagonal,
                                 const TileColumn& column, typename V::Float before) {
  auto even = before, odd = before;
  int64_t s = 0;
  for (; s + 2 <= column.full; s += 2) {
    even = V::max(even, V::load(scores + s * kQueryBlock));
    odd = V::max(odd, V::load(scores + (s + 1) * kQueryBlock));
  }
  for (; s < column.visible; ++s) {
    const auto x = V::load(scores + s * kQueryBlock);
    even = V::max(even, hide<V>(x, -FLT_MAX, s - diagonal - first_query));
  }
  return V::max(even, odd);
}

// weights = the pairs of exp(scale (score - maximum)), times dropped if there is dropout; maxima,
// sums and factors updated. maxima are of raw scores: scale > 0.
template <class V>
void softmax_pairs_column(const float* scores, int64_t first_query, int64_t keys, int64_t diagonal,
                          float scale, const float* dropped, const RunningSoftmax& running,
                          Bf16Pair* weights) {
  using F = typename V::Float;
  const TileColumn column = tile_column<V>(first_query, keys, diagonal);
  scores += first_query;
  weights += first_query;
  if (dropped != nullptr) dropped += first_query;
  const F before = V::load(running.maxima + first_query);
  const F maximum = column_maximum<V>(scores, first_query, diagonal, column, before);
  const F rate = V::set(scale * kLog2E), offset = V::mul(maximum, V::set(-scale * kLog2E));
  F sum = V::zero();
  const auto weight = [&](int64_t s) {
    if (s >= column.visible) return V::zero();
    F p = exp2<V>(V::fma(V::load(scores + s * kQueryBlock), rate, offset));
    if (s >= column.full) p = hide<V>(p, 0, s - diagonal - first_query);
    sum = V::add(sum, p);
    return dropped == nullptr ? p : V::mul(p, V::load(dropped + s * kQueryBlock));
  };
  for (int64_t s = 0; s < column.cleared; s += 2) {
    const F first = weight(s), second = weight(s + 1);
    V::store(weights + s / 2 * kQueryBlock, V::narrow_to_pairs(first, second));
  }
  const F factor = exp<V>(V::mul(V::sub(before, maximum), V::set(scale)));
  V::store(running.maxima + first_query, maximum);
  V::store(running.factors + first_query, factor);
  V::store(running.sums + first_query, V::fma(V::load(running.sums + first_query), factor, sum));
}

template <class V>
void forward_pairs_tile(const AttentionBlock<Bf16>& block, int64_t first, int64_t keys,
                        const PairsForwardScratch<V>& space) {
  const int64_t padded = padded_head<V>(block.D), diagonal = block.position - first;
  const int64_t next = clamp_to<V>(block.position + block.queries - first - keys, 0, kKeyBlock);
  prefetch_rows<V>(keys, block.D, rows_from<V>(block.v, first));
  prefetch_rows<V>(next, block.D, rows_from<V>(block.k, first + keys));
  tile_product<V, TilePart::kScores>(
      TileProduct<Bf16Pair, Bf16Pair>{keys, block.queries, block.D / 2,
                                      pairs_from<V>(block.k, first), block.k.stride / 2, 1,
                                      as_pairs<V>(space.queries), kQueryBlock, space.scores,
                                      kQueryBlock, TileStore::kSet, nullptr},
      diagonal);
  const float* dropped = nullptr;
  if (block.dropout.threshold > 0) {
    dropout_tile<V>(block.dropout, block.queries, first, keys, diagonal, space.rows, space.dropped);
    dropped = space.dropped;
  }
  for (int64_t i = 0; i < block.queries; i += V::kLanes)
    softmax_pairs_column<V>(space.scores, i, keys, diagonal, block.scale, dropped, space.running,
                            space.weights);
  interleave_rows<V>(keys, block.D, rows_from<V>(block.v, first), space.values);
  const TileStore store = first == 0 ? TileStore::kSet : TileStore::kScaleAdd;
  tile_product<V, TilePart::kWeigh>(
      TileProduct<Bf16Pair, Bf16Pair>{block.queries, block.D, (keys + 1) / 2, space.weights, 1,
                                      kQueryBlock, space.values, padded, space.accumulated, padded,
                                      store, space.running.factors},
      diagonal);
}

template <class V>
void attention_pairs_forward_block(const AttentionForward<Bf16>& call, float* scratch) {
  const AttentionBlock<Bf16>& block = call.block;
  if (!pairs_along<V>(block.D, block.k, block.v)) return attention_forward_block<V>(call, scratch);
  const PairsForwardScratch<V> space(scratch, block.D);
  start_softmax<V>(space.running);
  transpose_pairs<V>(block.queries, block.D, block.q, space.queries);
  const int64_t total = block.position + block.queries;
  for (int64_t first = 0; first < total; first += kKeyBlock)
    forward_pairs_tile<V>(block, first, clamp_to<V>(kKeyBlock, 0, total - first), space);
  for (int64_t i = 0; i < block.queries; ++i)
    space.running.maxima[i] *= block.scale;
  finish_forward<V>(call, space.accumulated, space.running);
}

}  // namespace cllm::kernels
