// The templates behind kernels/rows.h, over the vector interface V: elementwise, gated activation,
// dropout and rotary; norms and cross-entropy are in their own files. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/cross_entropy_inl.h"
#include "kernels/math_inl.h"
#include "kernels/norm_inl.h"
#include "kernels/philox_inl.h"
#include "kernels/rows.h"
#include "kernels/span_inl.h"

namespace cllm::kernels {

template <class V>
void add(int64_t n, const float* a, const float* b, float* out) {
  for_each<V>(n, [&](int64_t i, auto lanes) {
    lanes.store(out + i, V::add(lanes.load(a + i), lanes.load(b + i)));
  });
}

template <class V>
void accumulate(int64_t n, const float* x, float* out) {
  add<V>(n, out, x, out);
}

template <class V>
void sum_rows(int64_t rows, int64_t n, const float* x, int64_t stride, float* out) {
  for_each<V>(n, [&](int64_t i, auto lanes) { lanes.store(out + i, V::zero()); });
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4, x += 4 * stride) {
    for_each<V>(n, [&](int64_t i, auto lanes) {
      const float* p = x + i;
      const auto low = V::add(lanes.load(p), lanes.load(p + stride));
      const auto high = V::add(lanes.load(p + 2 * stride), lanes.load(p + 3 * stride));
      lanes.store(out + i, V::add(lanes.load(out + i), V::add(low, high)));
    });
  }
  for (; row < rows; ++row, x += stride)
    accumulate<V>(n, x, out);
}

template <class V>
void dropout(const PhiloxStream* stream, int64_t first, int64_t n, uint32_t threshold, float scale,
             const float* x, float* out) {
  float factors[kPhiloxWords];
  for (int64_t done = 0; done < n; done += kPhiloxWords) {
    const int64_t count = n - done < kPhiloxWords ? n - done : kPhiloxWords;
    dropout_factors<V>(*stream, static_cast<uint64_t>(first + done), count, threshold, scale,
                       factors);
    for_each<V>(count, [&](int64_t i, auto lanes) {
      const auto factor = lanes.load(factors + i);
      const auto kept = V::mul(lanes.load(x + done + i), factor);
      // Chosen, not multiplied by zero: a dropped infinity is 0.
      lanes.store(out + done + i, V::select_less(V::zero(), factor, kept, V::zero()));
    });
  }
}

template <class V>
void swiglu(int64_t n, const float* gate, const float* up, float* y) {
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto g = lanes.load(gate + i);
    lanes.store(y + i, V::mul(V::mul(g, sigmoid<V>(g)), lanes.load(up + i)));
  });
}

// silu'(g) = s (1 + g (1 - s)), s = sigmoid(g)
template <class V>
void swiglu_backward(int64_t n, const float* gate, const float* up, const float* dy, float* dgate,
                     float* dup) {
  const auto one = V::set(1.0f);
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto g = lanes.load(gate + i), u = lanes.load(up + i), d = lanes.load(dy + i);
    const auto s = sigmoid<V>(g);
    const auto slope = V::mul(s, V::fma(g, V::sub(one, s), one));
    lanes.store(dgate + i, V::mul(V::mul(d, u), slope));
    lanes.store(dup + i, V::mul(d, V::mul(g, s)));
  });
}

template <class V>
void softcap(int64_t n, float cap, float* x) {
  for_each<V>(
      n, [&](int64_t i, auto lanes) { lanes.store(x + i, capped<V>(lanes.load(x + i), cap)); });
}

template <class V>
void rotary(int64_t heads, int64_t half, const float* cosine, const float* sine, float direction,
            float* x) {
  const auto turn = V::set(direction);
  for (int64_t head = 0; head < heads; ++head, x += 2 * half) {
    for_each<V>(half, [&](int64_t i, auto lanes) {
      const auto a = lanes.load(x + i), b = lanes.load(x + half + i);
      const auto c = lanes.load(cosine + i), s = V::mul(lanes.load(sine + i), turn);
      lanes.store(x + i, V::fnma(b, s, V::mul(a, c)));
      lanes.store(x + half + i, V::fma(a, s, V::mul(b, c)));
    });
  }
}

template <class V>
constexpr RowKernels make_rows_kernels() {
  RowKernels kernels{};
  kernels.add = add<V>;
  kernels.accumulate = accumulate<V>;
  kernels.sum_rows = sum_rows<V>;
  kernels.dropout = dropout<V>;
  kernels.swiglu = swiglu<V>;
  kernels.swiglu_backward = swiglu_backward<V>;
  kernels.softcap = softcap<V>;
  kernels.rotary = rotary<V>;
  kernels.layer_norm = layer_norm<V>;
  kernels.layer_norm_backward = layer_norm_backward<V>;
  kernels.rms_norm = rms_norm<V>;
  kernels.rms_norm_backward = rms_norm_backward<V>;
  kernels.cross_entropy = cross_entropy<V>;
  return kernels;
}

}  // namespace cllm::kernels
