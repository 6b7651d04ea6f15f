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

// z as a function of the stored number, and d z / d logit as a function of z.
template <class V>
struct PlainLogit {
  using Float = typename V::Float;
  static Float value(Float x) { return x; }
  static Float slope(Float) { return V::set(1.0f); }
};

// The logit is stored, the cap is applied on the way: for a loss without gradient.
template <class V>
struct UncappedLogit {
  float cap;
  typename V::Float value(typename V::Float x) const { return capped<V>(x, cap); }
};

// The logit has been replaced by z. (1 - t)(1 + t) rather than 1 - t^2: 1 - t is exact near 1.
template <class V>
struct CappedLogit {
  using Float = typename V::Float;
  float cap;
  Float slope(Float z) const {
    const Float one = V::set(1.0f), t = V::div(z, V::set(cap));
    return V::mul(V::sub(one, t), V::add(one, t));
  }
};

// Sum of e^(z - top) over n logits.
template <class V, class Logit>
double sum_exponentials(int64_t n, const float* logits, Logit z, float top) {
  const auto highest = V::set(top);
  return sum_of<V>(n, [&](int64_t i, auto lanes) {
    return exp<V>(V::sub(z.value(lanes.load(logits + i)), highest));
  });
}

// The first element of a vector function applied to one number, so that a single logit is treated
// with the same arithmetic as its row.
template <class V, class Function>
float apply_to_one(float x, Function f) {
  float lanes[V::kLanes];
  V::store(lanes, f(V::set(x)));
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

template <class V, class Logit>
RowTerms<V> row_terms(const CrossEntropyRow& row, Logit z, const float* logits) {
  const int64_t n = row.count, t = row.target;
  RowTerms<V> terms;
  terms.top = max_of<V>(n, -__builtin_inff(),
                        [&](int64_t i, auto lanes) { return z.value(lanes.load(logits + i)); });
  const float at_target = apply_to_one<V>(logits[t], [&](auto x) { return z.value(x); });
  terms.gap = static_cast<double>(terms.top) - static_cast<double>(at_target);
  terms.own = __builtin_exp(-terms.gap);
  terms.others = sum_exponentials<V>(t, logits, z, terms.top) +
                 sum_exponentials<V>(n - t - 1, logits + t + 1, z, terms.top);
  return terms;
}

// Replaces z by gradient_scale * d loss / d logit.
template <class V, class Logit>
void row_gradient(const CrossEntropyRow& row, Logit z, const RowTerms<V>& terms, float* logits) {
  const double scale = static_cast<double>(row.gradient_scale), sum = terms.others + terms.own;
  const float own_slope = apply_to_one<V>(logits[row.target], [&](auto x) { return z.slope(x); });
  const auto top = V::set(terms.top), factor = V::set(static_cast<float>(scale / sum));
  for_each<V>(row.count, [&](int64_t i, auto lanes) {
    const auto x = lanes.load(logits + i);
    lanes.store(logits + i, V::mul(V::mul(exp<V>(V::sub(x, top)), factor), z.slope(x)));
  });
  logits[row.target] = static_cast<float>(-scale * (terms.others / sum)) * own_slope;
}

template <class V>
float cross_entropy(const CrossEntropyRow* row, float* logits) {
  const bool caps = row->softcap > 0, wants_gradient = row->gradient_scale != 0;
  if (caps && wants_gradient) {
    for_each<V>(row->count, [&](int64_t i, auto lanes) {
      lanes.store(logits + i, capped<V>(lanes.load(logits + i), row->softcap));
    });
  }
  const RowTerms<V> terms = caps && !wants_gradient
                                ? row_terms<V>(*row, UncappedLogit<V>{row->softcap}, logits)
                                : row_terms<V>(*row, PlainLogit<V>{}, logits);
  if (wants_gradient && caps) row_gradient<V>(*row, CappedLogit<V>{row->softcap}, terms, logits);
  if (wants_gradient && !caps) row_gradient<V>(*row, PlainLogit<V>{}, terms, logits);
  return static_cast<float>(terms.loss());
}

}  // namespace cllm::kernels
