// Forward attention of one query, for decoding: keys are read once, D along lanes. Kernel internal.
#pragma once

#include <float.h>
#include <math.h>

#include "kernels/attention_tile_inl.h"
#include "kernels/math_inl.h"

namespace cllm::kernels {

// The scores of R keys, k_stride apart, against one query.
template <class V, int R, class S>
void score_keys(int64_t D, const S* q, const S* k, int64_t k_stride, float scale, float* scores) {
  typename V::Float sums[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
    sums[r] = V::zero();
  int64_t d = 0;
  for (; d + V::kLanes <= D; d += V::kLanes) {
    const auto query = V::load(q + d);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      sums[r] = V::fma(query, V::load(k + r * k_stride + d), sums[r]);
  }
  if (d < D) {
    const auto query = V::load_partial(q + d, D - d);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      sums[r] = V::fma(query, V::load_partial(k + r * k_stride + d, D - d), sums[r]);
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
    scores[r] = V::reduce_add(sums[r]) * scale;
}

// out [D] = factor * out + sum over keys of weights[key] * v[key]; out is not read if `fresh`.
template <class V, class S>
void weigh_values(int64_t D, int64_t keys, const float* weights, ConstRows<S> v, bool fresh,
                  float factor, float* out) {
  const TileStore store = fresh ? TileStore::kSet : TileStore::kScaleAdd;
  const int64_t whole = D / V::kLanes;
  const TileProduct<float, S> product{1,      whole * V::kLanes, keys, weights, 0,     1,
                                      v.data, v.stride,          out,  0,       store, &factor};
  for (int64_t vector = 0, n = 0; vector < whole; vector += n) {
    n = tile_panel<V>(whole - vector);
    tile_any_strip<V>(product, n, 1, 0, vector * V::kLanes, 0, keys);
  }
  const int64_t rest = D - whole * V::kLanes;
  if (rest == 0) return;
  const S* values = v.data + whole * V::kLanes;
  float* tail = out + whole * V::kLanes;
  auto sum = fresh ? V::zero() : V::mul(V::set(factor), V::load_partial(tail, rest));
  for (int64_t s = 0; s < keys; ++s)
    sum = V::fma(V::set(weights[s]), V::load_partial(values + s * v.stride, rest), sum);
  V::store_partial(tail, rest, sum);
}

// scores [keys, then -FLT_MAX up to a whole vector] of the keys from `first` on.
template <class V, class S>
void score_tile(const AttentionBlock<S>& block, int64_t first, int64_t keys, float* scores) {
  const int64_t stride = block.k.stride;
  const S* k = block.k.data + first * stride;
  int64_t s = 0;
  for (; s + 4 <= keys; s += 4)
    score_keys<V, 4>(block.D, block.q.data, k + s * stride, stride, block.scale, scores + s);
  for (; s < keys; ++s)
    score_keys<V, 1>(block.D, block.q.data, k + s * stride, stride, block.scale, scores + s);
  for (; s % V::kLanes != 0; ++s)
    scores[s] = -FLT_MAX;
}

// scores -> exp(score - maximum), in place; maximum rises to the largest score; returns their sum.
template <class V>
float exponentiate(int64_t keys, float* scores, float* maximum) {
  using F = typename V::Float;
  F largest = V::set(*maximum), sum = V::zero();
  for (int64_t i = 0; i < keys; i += V::kLanes)
    largest = V::max(largest, V::load(scores + i));
  *maximum = V::reduce_max(largest);
  for (int64_t i = 0; i < keys; i += V::kLanes) {
    const F p = exp<V>(V::sub(V::load(scores + i), V::set(*maximum)));
    sum = V::add(sum, p);
    V::store(scores + i, p);
  }
  return V::reduce_add(sum);
}

inline constexpr int64_t kOneColumns = 256;

// The columns [column, column + columns) of the output, at most kOneColumns: sums stay in fp32
// whatever the storage.
template <class V, class S>
void forward_one_columns(const AttentionForward<S>& call, int64_t column, int64_t columns) {
  const AttentionBlock<S>& block = call.block;
  const int64_t total = block.position + 1;
  alignas(64) float scores[kKeyBlock], accumulated[kOneColumns];
  float maximum = -FLT_MAX, sum = 0;
  for (int64_t first = 0; first < total; first += kKeyBlock) {
    const int64_t keys = clamp_to<V>(kKeyBlock, 0, total - first);
    const float before = maximum;
    score_tile<V>(block, first, keys, scores);
    const float added = exponentiate<V>(keys, scores, &maximum);
    const float factor = expf(before - maximum);
    sum = sum * factor + added;
    const ConstRows<S> v = rows_from<V>(block.v, first);
    weigh_values<V>(columns, keys, scores, ConstRows<S>{v.data + column, v.stride}, first == 0,
                    factor, accumulated);
  }
  store_row<V>(columns, accumulated, 1.0f / sum, call.out.data + column);
  if (call.log_sum_exp != nullptr) *call.log_sum_exp = maximum + logf(sum);
}

template <class V, class S>
void attention_forward_one(const AttentionForward<S>& call) {
  for (int64_t column = 0; column < call.block.D; column += kOneColumns)
    forward_one_columns<V>(call, column, clamp_to<V>(kOneColumns, 0, call.block.D - column));
}

}  // namespace cllm::kernels
