// Backward attention of a block of queries in products of bf16 pairs. Kernel internal.
#pragma once

#include "kernels/attention_backward_inl.h"
#include "kernels/attention_pairs_inl.h"

namespace cllm::kernels {

template <class V>
struct PairsBackwardScratch {
  float *q_across, *dout_across;  // [D / 2][query] pairs along D
  Bf16Pair *q, *dout;             // [query / 2][padded D] pairs of queries
  Bf16Pair* k;                    // [key / 2][padded D] pairs of keys
  float* dq;                      // [query][padded D]
  float *scores, *dscores, *dropped, *rows;
  Bf16 *weights_by_key, *dscores_by_key;  // [key][query]
  Bf16Pair* dscores_by_query;             // [key / 2][query] pairs of keys
  float *log_sum_exps, *dots;             // per query, the first times -log2 e

  PairsBackwardScratch(float* scratch, int64_t D) {
    const int64_t side = kQueryBlock * padded_head<V>(D), tile = kKeyBlock * kQueryBlock;
    q_across = scratch;
    dout_across = q_across + side;
    q = as_pairs<V>(q_across + 2 * side);
    dout = as_pairs<V>(q_across + 3 * side);
    k = as_pairs<V>(q_across + 4 * side);
    dq = q_across + 5 * side;
    scores = dq + side;
    dscores = scores + tile;
    dropped = dscores + tile;
    rows = dropped + tile;
    float* halves = rows + tile;
    weights_by_key = reinterpret_cast<Bf16*>(halves);
    dscores_by_key = reinterpret_cast<Bf16*>(halves + tile / 2);
    dscores_by_query = as_pairs<V>(halves + tile);
    log_sum_exps = halves + 2 * tile;
    dots = log_sum_exps + kQueryBlock;
  }
};

// scores, dprobabilities -> the three arrangements of probabilities (times dropout) and of scale *
// dscores.
template <class V>
void backward_pairs_column(const PairsBackwardScratch<V>& space, int64_t first_query, int64_t keys,
                           int64_t diagonal, float scale, const float* dropped) {
  using F = typename V::Float;
  const TileColumn column = tile_column<V>(first_query, keys, diagonal);
  const F log_sum_exp = V::load(space.log_sum_exps + first_query);
  const F dot = V::load(space.dots + first_query), rate = V::set(scale * kLog2E);
  const auto dscore = [&](int64_t s) {
    const int64_t place = s * kQueryBlock + first_query;
    if (s >= column.visible) {
      V::store(space.weights_by_key + place, V::zero());
      V::store(space.dscores_by_key + place, V::zero());
      return V::zero();
    }
    F p = exp2<V>(V::fma(V::load(space.scores + place), rate, log_sum_exp));
    F dp = V::load(space.dscores + place);
    if (s >= column.full) {
      p = hide<V>(p, 0, s - diagonal - first_query);
      dp = hide<V>(dp, 0, s - diagonal - first_query);
    }
    F weight = p;
    if (dropped != nullptr) {
      const F factor = V::load(dropped + place);
      dp = V::mul(dp, factor);
      weight = V::mul(p, factor);
    }
    const F ds = V::mul(V::mul(p, V::set(scale)), V::sub(dp, dot));
    V::store(space.weights_by_key + place, weight);
    V::store(space.dscores_by_key + place, ds);
    return ds;
  };
  for (int64_t s = 0; s < column.cleared; s += 2) {
    const F first = dscore(s), second = s + 1 < keys ? dscore(s + 1) : V::zero();
    V::store(space.dscores_by_query + s / 2 * kQueryBlock + first_query,
             V::narrow_to_pairs(first, second));
  }
}

// What does not depend on the keys.
template <class V>
void prepare_pairs_backward(const AttentionBackward<Bf16>& call,
                            const PairsBackwardScratch<V>& space) {
  const AttentionBlock<Bf16>& block = call.block;
  interleave_rows<V>(block.queries, block.D, block.q, space.q);
  interleave_rows<V>(block.queries, block.D, call.dout, space.dout);
  transpose_pairs<V>(block.queries, block.D, block.q, space.q_across);
  transpose_pairs<V>(block.queries, block.D, call.dout, space.dout_across);
  query_numbers<V>(call, space.log_sum_exps, space.dots);
  for (int64_t i = 0; i < kQueryBlock; i += V::kLanes) {
    float* logs = space.log_sum_exps + i;
    V::store(logs, V::mul(V::load(logs), V::set(-kLog2E)));
  }
}

template <class V>
void backward_pairs_probabilities(const AttentionBlock<Bf16>& block, int64_t first, int64_t keys,
                                  const PairsBackwardScratch<V>& space) {
  const int64_t diagonal = block.position - first;
  // Whole vectors: the one query after an odd number of them takes part in sums, times zero.
  const int64_t columns = (block.queries + V::kLanes - 1) / V::kLanes * V::kLanes;
  TileProduct<Bf16Pair, Bf16Pair> product{keys,
                                          columns,
                                          block.D / 2,
                                          pairs_from<V>(block.k, first),
                                          block.k.stride / 2,
                                          1,
                                          as_pairs<V>(space.q_across),
                                          kQueryBlock,
                                          space.scores,
                                          kQueryBlock,
                                          TileStore::kSet,
                                          nullptr};
  tile_product<V, TilePart::kScores>(product, diagonal);
  product.a = pairs_from<V>(block.v, first);
  product.a_row = block.v.stride / 2;
  product.b = as_pairs<V>(space.dout_across);
  product.c = space.dscores;
  tile_product<V, TilePart::kScores>(product, diagonal);
  const float* dropped = nullptr;
  if (block.dropout.threshold > 0) {
    dropout_tile<V>(block.dropout, block.queries, first, keys, diagonal, space.rows, space.dropped);
    dropped = space.dropped;
  }
  for (int64_t i = 0; i < block.queries; i += V::kLanes)
    backward_pairs_column<V>(space, i, keys, diagonal, block.scale, dropped);
}

// rows [keys, D] of a key gradient (store) tile [keys, queries] from [queries, D].
template <class V>
void gather_pairs(const AttentionBackward<Bf16>& call, int64_t first, int64_t keys,
                  const Bf16* tile, const Bf16Pair* from, const MutableRows<float>& rows) {
  const TileStore store = first >= call.fresh_from ? TileStore::kSet : TileStore::kAdd;
  tile_product<V, TilePart::kGather>(
      TileProduct<Bf16Pair, Bf16Pair>{keys, call.block.D, (call.block.queries + 1) / 2,
                                      reinterpret_cast<const Bf16Pair*>(tile), kQueryBlock / 2, 1,
                                      from, padded_head<V>(call.block.D),
                                      rows.data + first * rows.stride, rows.stride, store, nullptr},
      call.block.position - first);
}

template <class V>
void backward_pairs_tile(const AttentionBackward<Bf16>& call, int64_t first, int64_t keys,
                         const PairsBackwardScratch<V>& space) {
  const AttentionBlock<Bf16>& block = call.block;
  const int64_t padded = padded_head<V>(block.D);
  backward_pairs_probabilities<V>(block, first, keys, space);
  if (call.dk.data != nullptr) {
    gather_pairs<V>(call, first, keys, space.weights_by_key, space.dout, call.dv);
    gather_pairs<V>(call, first, keys, space.dscores_by_key, space.q, call.dk);
  }
  if (call.dq.data == nullptr) return;
  interleave_rows<V>(keys, block.D, rows_from<V>(block.k, first), space.k);
  const TileStore store = first == call.key_begin ? TileStore::kSet : TileStore::kAdd;
  tile_product<V, TilePart::kWeigh>(
      TileProduct<Bf16Pair, Bf16Pair>{block.queries, block.D, (keys + 1) / 2,
                                      space.dscores_by_query, 1, kQueryBlock, space.k, padded,
                                      space.dq, padded, store, nullptr},
      block.position - first);
}

template <class V>
void attention_pairs_backward_block(const AttentionBackward<Bf16>& call, float* scratch) {
  const AttentionBlock<Bf16>& block = call.block;
  if (!pairs_along<V>(block.D, block.k, block.v)) return attention_backward_block<V>(call, scratch);
  const PairsBackwardScratch<V> space(scratch, block.D);
  prepare_pairs_backward<V>(call, space);
  const int64_t total = clamp_to<V>(block.position + block.queries, 0, call.key_end);
  for (int64_t first = call.key_begin; first < total; first += kKeyBlock)
    backward_pairs_tile<V>(call, first, clamp_to<V>(kKeyBlock, 0, total - first), space);
  store_queries<V>(call, space.dq);
}

}  // namespace cllm::kernels
