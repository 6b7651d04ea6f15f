// The templates behind kernels/rows.h, over the vector interface V and the storage S: elementwise,
// gated activation, dropout and rotary; norms and cross-entropy are in their own files. Kernel
// internal.
#pragma once

#include <cstdint>

#include "kernels/cross_entropy_inl.h"
#include "kernels/gemm_finish_inl.h"
#include "kernels/math_inl.h"
#include "kernels/norm_inl.h"
#include "kernels/philox_inl.h"
#include "kernels/rows.h"
#include "kernels/span_inl.h"

namespace cllm::kernels {

// out = x, from one storage to another.
template <class V, class From, class To>
void convert(int64_t n, const From* x, To* out) {
  for_each<V>(n, [&](int64_t i, auto lanes) { lanes.store(out + i, lanes.load(x + i)); });
}

template <class V, class A, class B, class Out>
void add(int64_t n, const A* a, const B* b, Out* out) {
  for_each<V>(n, [&](int64_t i, auto lanes) {
    lanes.store(out + i, V::add(lanes.load(a + i), lanes.load(b + i)));
  });
}

template <class V, class S>
void embed(int64_t n, int64_t count, const float* const* rows, S* out) {
  for_each<V>(n, [&](int64_t i, auto lanes) {
    auto sum = lanes.load(rows[0] + i);
    for (int64_t row = 1; row < count; ++row)
      sum = V::add(sum, lanes.load(rows[row] + i));
    lanes.store(out + i, sum);
  });
}

template <class V, class S>
void accumulate(int64_t n, const S* x, float* out) {
  add<V>(n, out, x, out);
}

template <class V, class S>
void sum_rows(int64_t rows, int64_t n, const S* x, int64_t stride, float* out) {
  for_each<V>(n, [&](int64_t i, auto lanes) { lanes.store(out + i, V::zero()); });
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4, x += 4 * stride) {
    for_each<V>(n, [&](int64_t i, auto lanes) {
      const S* p = x + i;
      const auto low = V::add(lanes.load(p), lanes.load(p + stride));
      const auto high = V::add(lanes.load(p + 2 * stride), lanes.load(p + 3 * stride));
      lanes.store(out + i, V::add(lanes.load(out + i), V::add(low, high)));
    });
  }
  for (; row < rows; ++row, x += stride)
    accumulate<V>(n, x, out);
}

template <class V, class S>
void dropout(const PhiloxStream* stream, int64_t first, int64_t n, uint32_t threshold, float scale,
             const S* x, S* out) {
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

template <class V, class S>
void activate(Activation activation, int64_t n, const S* x, S* y) {
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto value = lanes.load(x + i);
    lanes.store(y + i, gemm_activate<V>(activation, value, value));
  });
}

template <class V, class S>
void swiglu(int64_t n, const S* gate, const S* up, S* y) {
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto g = lanes.load(gate + i);
    lanes.store(y + i, V::mul(V::mul(g, sigmoid<V>(g)), lanes.load(up + i)));
  });
}

template <class V, class S>
void softcap(int64_t n, float cap, S* x) {
  for_each<V>(
      n, [&](int64_t i, auto lanes) { lanes.store(x + i, capped<V>(lanes.load(x + i), cap)); });
}

template <class V, class S>
void rotary(int64_t heads, int64_t half, const float* cosine, const float* sine, float direction,
            S* x) {
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

template <class V, class S>
constexpr RowKernels<S> make_rows_kernels() {
  RowKernels<S> kernels{};
  kernels.narrow = convert<V, float, S>;
  kernels.widen = convert<V, S, float>;
  kernels.add = add<V, S, S, S>;
  kernels.embed = embed<V, S>;
  kernels.accumulate = accumulate<V, S>;
  kernels.sum_rows = sum_rows<V, S>;
  kernels.dropout = dropout<V, S>;
  kernels.activate = activate<V, S>;
  kernels.swiglu = swiglu<V, S>;
  kernels.softcap = softcap<V, S>;
  kernels.rotary = rotary<V, S>;
  kernels.layer_norm = layer_norm<V, S>;
  kernels.layer_norm_backward = layer_norm_backward<V, S>;
  kernels.rms_norm = rms_norm<V, S>;
  kernels.rms_norm_backward = rms_norm_backward<V, S>;
  kernels.cross_entropy = cross_entropy<V, S>;
  return kernels;
}

}  // namespace cllm::kernels
