// Loops over spans for kernels, written once over the vector interface V: the body sees whole
// vectors and, at the end of a span, one partial vector, through the same interface. Sums have one
// fixed shape per instruction set. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace cllm::kernels {

// Access to a whole vector of elements of any storage type S ...
template <class V>
struct WholeLanes {
  using Float = typename V::Float;
  template <class S>
  static Float load(const S* p) {
    return V::load(p);
  }
  template <class S>
  static void store(S* p, Float x) {
    V::store(p, x);
  }
  static Float fill_absent(Float x, Float) { return x; }
};

// ... and to the first `count` lanes of one; absent lanes load as zero.
template <class V>
struct PartLanes {
  using Float = typename V::Float;
  int64_t count;
  template <class S>
  Float load(const S* p) const {
    return V::load_partial(p, count);
  }
  template <class S>
  void store(S* p, Float x) const {
    V::store_partial(p, count, x);
  }
  // x in the present lanes, `other` in the absent ones.
  Float fill_absent(Float x, Float other) const {
    float lanes[V::kLanes];
    V::store(lanes, other);
    V::store_partial(lanes, count, x);
    return V::load(lanes);
  }
};

// body(i, lanes) for i = 0, kLanes, ... below n.
template <class V, class Body>
void for_each(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes)
    body(i, WholeLanes<V>{});
  if (i < n) body(i, PartLanes<V>{n - i});
}

// kSums values per lane, so that one pass can form several sums.
template <class V, int kSums>
struct Terms {
  typename V::Float value[kSums];
};

template <class V, int kSums>
struct Sums {
  double value[kSums];
};

inline constexpr int kAccumulators = 4;

// The accumulators of one block of a sum.
template <class V, int kSums>
struct BlockSum {
  typename V::Float part[kAccumulators][kSums];

  BlockSum() {
    for (auto& sums : part)
      for (auto& x : sums)
        x = V::zero();
  }
  template <class Lanes>
  void add(int which, const Terms<V, kSums>& terms, Lanes lanes) {
    for (int s = 0; s < kSums; ++s)
      part[which][s] = V::add(part[which][s], lanes.fill_absent(terms.value[s], V::zero()));
  }
  void add_to(Sums<V, kSums>& total) const {
    for (int s = 0; s < kSums; ++s) {
      const auto low = V::add(part[0][s], part[1][s]), high = V::add(part[2][s], part[3][s]);
      total.value[s] += static_cast<double>(V::reduce_add(V::add(low, high)));
    }
  }
};

// Sums of terms(i, lanes) -> Terms over [0, n): fp32 inside blocks of kSumBlock elements, double
// across them. Absent lanes count as zero whatever terms() gives there.
template <class V, int kSums, class Function>
Sums<V, kSums> sum_terms(int64_t n, Function terms) {
  constexpr int64_t kStride = kAccumulators * V::kLanes;
  Sums<V, kSums> total{};
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    const int64_t end = n - begin < kSumBlock ? n : begin + kSumBlock;
    BlockSum<V, kSums> block;
    int64_t i = begin;
    for (; i + kStride <= end; i += kStride)
      for (int k = 0; k < kAccumulators; ++k)
        block.add(k, terms(i + k * V::kLanes, WholeLanes<V>{}), WholeLanes<V>{});
    for (; i + V::kLanes <= end; i += V::kLanes)
      block.add(0, terms(i, WholeLanes<V>{}), WholeLanes<V>{});
    if (i < end) block.add(1, terms(i, PartLanes<V>{end - i}), PartLanes<V>{end - i});
    block.add_to(total);
  }
  return total;
}

// The sum of term(i, lanes) -> Float over [0, n).
template <class V, class Function>
double sum_of(int64_t n, Function term) {
  return sum_terms<V, 1>(n, [&](int64_t i, auto lanes) { return Terms<V, 1>{{term(i, lanes)}}; })
      .value[0];
}

// The maximum of term(i, lanes) -> Float over [0, n), `least` if n is 0. NaN terms may be missed.
template <class V, class Function>
float max_of(int64_t n, float least, Function term) {
  using F = typename V::Float;
  constexpr int64_t kStride = kAccumulators * V::kLanes;
  F best[kAccumulators];
  for (F& x : best)
    x = V::set(least);
  int64_t i = 0;
  for (; i + kStride <= n; i += kStride)
    for (int k = 0; k < kAccumulators; ++k)
      best[k] = V::max(best[k], term(i + k * V::kLanes, WholeLanes<V>{}));
  for (; i + V::kLanes <= n; i += V::kLanes)
    best[0] = V::max(best[0], term(i, WholeLanes<V>{}));
  if (i < n) {
    const PartLanes<V> lanes{n - i};
    best[1] = V::max(best[1], lanes.fill_absent(term(i, lanes), V::set(least)));
  }
  return V::reduce_max(V::max(V::max(best[0], best[1]), V::max(best[2], best[3])));
}

}  // namespace cllm::kernels
