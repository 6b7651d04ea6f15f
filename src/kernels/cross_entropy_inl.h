// Softmax and cross-entropy of one row of logits: the template behind RowKernels::cross_entropy.
// With m = max z, R = sum of e^(z - m) over all but the target and E = e^(z[target] - m):
// loss = log1p(R / E), and d loss / d z[target] = -R / (R + E), neither of which subtracts nearly
// equal numbers when the model is sure and right. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/math_inl.h"
#include "kernels/span_inl.h"

namespace cllm::kernels {

// cap * tanh(x / cap)
template <class V>
typename V::Float capped(typename V::Float x, float cap) {
  return V::mul(V::set(cap), tanh<V>(V::div(x, V::set(cap))));
}

// The capped logit as a function of the stored number, and its derivative as a function of itself.
template <class V>
struct PlainLogit {
  using Float = typename V::Float;
  static Float value(Float x) { return x; }
  static Float slope(Float) { return V::set(1.0f); }
};

// (1 - t)(1 + t) rather than 1 - t^2: 1 - t is exact near 1.
template <class V>
struct CappedLogit {
  using Float = typename V::Float;
  float cap;
  Float value(Float x) const { return capped<V>(x, cap); }
  Float slope(Float z) const {
    const Float one = V::set(1.0f), t = V::div(z, V::set(cap));
    return V::mul(V::sub(one, t), V::add(one, t));
  }
};

// A capped logit that has replaced the stored one.
template <class V>
struct ReplacedLogit : CappedLogit<V> {
  using Float = typename V::Float;
  static Float value(Float z) { return z; }
};

// What makes a capped logit z: nothing more ...
template <class V>
struct NothingAdded {
  using Float = typename V::Float;
  template <class Lanes>
  static Float to(Float capped, int64_t, Lanes) {
    return capped;
  }
  static float to_one(float capped, int64_t) { return capped; }
  NothingAdded from(int64_t) const { return *this; }
};

// ... or an fp32 number each, whatever the storage of the logits.
template <class V>
struct RowAdded {
  using Float = typename V::Float;
  const float* row;
  template <class Lanes>
  Float to(Float capped, int64_t i, Lanes lanes) const {
    return V::add(capped, lanes.load(row + i));
  }
  float to_one(float capped, int64_t i) const { return capped + row[i]; }
  RowAdded from(int64_t i) const { return {row + i}; }
};

// Sum of e^(z - top) over n logits.
template <class V, class S, class Logit, class Added>
double sum_exponentials(int64_t n, const S* logits, Logit logit, Added added, float top) {
  const auto highest = V::set(top);
  return sum_of<V>(n, [&](int64_t i, auto lanes) {
    return exp<V>(V::sub(added.to(logit.value(lanes.load(logits + i)), i, lanes), highest));
  });
}

// The first element of a vector function applied to one number, so that a single logit is treated
// with the same arithmetic as its row.
template <class V, class S, class Function>
float apply_to_one(const S* x, Function f) {
  float lanes[V::kLanes];
  V::store(lanes, f(V::load_partial(x, 1)));
  return lanes[0];
}

template <class V>
struct RowTerms {
  float top;                // m
  double others, own, gap;  // R, E, m - z[target]
  double loss() const {
    return others <= own ? __builtin_log1p(others / own) : __builtin_log(others + own) + gap;
  }
};

template <class V, class S, class Logit, class Added>
RowTerms<V> row_terms(const CrossEntropyRow& row, Logit logit, Added added, const S* logits) {
  const int64_t n = row.count, t = row.target;
  RowTerms<V> terms;
  terms.top = max_of<V>(n, -__builtin_inff(), [&](int64_t i, auto lanes) {
    return added.to(logit.value(lanes.load(logits + i)), i, lanes);
  });
  const float at_target =
      added.to_one(apply_to_one<V>(logits + t, [&](auto x) { return logit.value(x); }), t);
  terms.gap = static_cast<double>(terms.top) - static_cast<double>(at_target);
  terms.own = __builtin_exp(-terms.gap);
  terms.others =
      sum_exponentials<V>(t, logits, logit, added, terms.top) +
      sum_exponentials<V>(n - t - 1, logits + t + 1, logit, added.from(t + 1), terms.top);
  return terms;
}

// Replaces the logits by gradient_scale * d loss / d logit.
template <class V, class S, class Logit, class Added>
void row_gradient(const CrossEntropyRow& row, Logit logit, Added added, const RowTerms<V>& terms,
                  S* logits) {
  const double scale = static_cast<double>(row.gradient_scale), sum = terms.others + terms.own;
  const float own_slope =
      apply_to_one<V>(logits + row.target, [&](auto x) { return logit.slope(logit.value(x)); });
  const auto top = V::set(terms.top), factor = V::set(static_cast<float>(scale / sum));
  for_each<V>(row.count, [&](int64_t i, auto lanes) {
    const auto x = logit.value(lanes.load(logits + i)), z = added.to(x, i, lanes);
    lanes.store(logits + i, V::mul(V::mul(exp<V>(V::sub(z, top)), factor), logit.slope(x)));
  });
  const float own = static_cast<float>(-scale * (terms.others / sum)) * own_slope;
  V::store_partial(logits + row.target, 1, V::set(own));
}

template <class V, class S, class Logit, class Added>
float loss_of_row(const CrossEntropyRow& row, Logit logit, Added added, S* logits) {
  const RowTerms<V> terms = row_terms<V>(row, logit, added, logits);
  if (row.gradient_scale != 0) row_gradient<V>(row, logit, added, terms, logits);
  return static_cast<float>(terms.loss());
}

// Where a capped logit is needed three times it is computed once, if it can be kept exactly: a
// 16-bit z would lose what the loss is made of.
template <class V, class S, class Added>
float capped_loss_of_row(const CrossEntropyRow& row, Added added, S* logits) {
  if (!(row.softcap > 0)) return loss_of_row<V>(row, PlainLogit<V>{}, added, logits);
  if constexpr (sizeof(S) == sizeof(float)) {
    if (row.gradient_scale != 0) {
      for_each<V>(row.count, [&](int64_t i, auto lanes) {
        lanes.store(logits + i, capped<V>(lanes.load(logits + i), row.softcap));
      });
      return loss_of_row<V>(row, ReplacedLogit<V>{{row.softcap}}, added, logits);
    }
  }
  return loss_of_row<V>(row, CappedLogit<V>{row.softcap}, added, logits);
}

template <class V, class S>
float cross_entropy(const CrossEntropyRow* row, S* logits) {
  if (row->added == nullptr) return capped_loss_of_row<V>(*row, NothingAdded<V>{}, logits);
  return capped_loss_of_row<V>(*row, RowAdded<V>{row->added}, logits);
}

}  // namespace cllm::kernels
