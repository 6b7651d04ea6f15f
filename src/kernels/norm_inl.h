// LayerNorm and RMSNorm of one row, over the vector interface V and the storage S: the templates
// behind the norm members of kernels/rows.h. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/span_inl.h"

namespace cllm::kernels {

// 1 / sqrt(variance + epsilon) from a sum of squares.
template <class V>
float reciprocal_deviation(double sum_of_squares, int64_t n, float epsilon) {
  const double variance = sum_of_squares / static_cast<double>(n);
  return static_cast<float>(1.0 / __builtin_sqrt(variance + static_cast<double>(epsilon)));
}

template <class V, class S>
void layer_norm(int64_t n, float epsilon, const S* x, const float* gain, const float* bias, S* y,
                float* mean, float* rstd) {
  const double sum = sum_of<V>(n, [&](int64_t i, auto lanes) { return lanes.load(x + i); });
  *mean = static_cast<float>(sum / static_cast<double>(n));
  const auto center = V::set(*mean);
  const double squares = sum_of<V>(n, [&](int64_t i, auto lanes) {
    const auto d = V::sub(lanes.load(x + i), center);
    return V::mul(d, d);
  });
  *rstd = reciprocal_deviation<V>(squares, n, epsilon);
  const auto scale = V::set(*rstd);
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto normal = V::mul(V::sub(lanes.load(x + i), center), scale);
    const auto shift = bias != nullptr ? lanes.load(bias + i) : V::zero();
    lanes.store(y + i, V::fma(normal, lanes.load(gain + i), shift));
  });
}

// With h = (x - mean) rstd and g = dy gain: dx += rstd (g - mean(g) - h mean(g h)).
template <class V, class S>
void layer_norm_backward(int64_t n, const S* x, const float* gain, float mean, float rstd,
                         const S* dy, S* dx, float* dgain, float* dbias) {
  const auto center = V::set(mean), scale = V::set(rstd);
  const auto sums = sum_terms<V, 2>(n, [&](int64_t i, auto lanes) {
    const auto d = lanes.load(dy + i);
    const auto normal = V::mul(V::sub(lanes.load(x + i), center), scale);
    lanes.store(dgain + i, V::fma(d, normal, lanes.load(dgain + i)));
    if (dbias != nullptr) lanes.store(dbias + i, V::add(d, lanes.load(dbias + i)));
    const auto g = V::mul(d, lanes.load(gain + i));
    return Terms<V, 2>{{g, V::mul(g, normal)}};
  });
  const double size = static_cast<double>(n);
  const auto mean_g = V::set(static_cast<float>(sums.value[0] / size));
  const auto mean_gh = V::set(static_cast<float>(sums.value[1] / size));
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto normal = V::mul(V::sub(lanes.load(x + i), center), scale);
    const auto g = V::mul(lanes.load(dy + i), lanes.load(gain + i));
    const auto inner = V::fnma(normal, mean_gh, V::sub(g, mean_g));
    lanes.store(dx + i, V::fma(inner, scale, lanes.load(dx + i)));
  });
}

template <class V, class S>
float rms_norm(int64_t n, float epsilon, const S* x, const float* gain, S* y) {
  const double squares = sum_of<V>(n, [&](int64_t i, auto lanes) {
    const auto value = lanes.load(x + i);
    return V::mul(value, value);
  });
  const float rstd = reciprocal_deviation<V>(squares, n, epsilon);
  const auto scale = V::set(rstd);
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto normal = V::mul(lanes.load(x + i), scale);
    lanes.store(y + i, gain != nullptr ? V::mul(normal, lanes.load(gain + i)) : normal);
  });
  return rstd;
}

// With h = x rstd and g = dy gain: dx (+)= rstd (g - h mean(g h)).
template <class V, class S>
void rms_norm_backward(int64_t n, const S* x, const float* gain, float rstd, const S* dy,
                       bool accumulate, S* dx, float* dgain) {
  const auto scale = V::set(rstd), one = V::set(1.0f);
  const double sum = sum_of<V>(n, [&](int64_t i, auto lanes) {
    const auto d = lanes.load(dy + i);
    const auto product = V::mul(d, V::mul(lanes.load(x + i), scale));
    if (dgain != nullptr) lanes.store(dgain + i, V::add(product, lanes.load(dgain + i)));
    return V::mul(product, gain != nullptr ? lanes.load(gain + i) : one);
  });
  const auto mean_gh = V::set(static_cast<float>(sum / static_cast<double>(n)));
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto normal = V::mul(lanes.load(x + i), scale);
    const auto g = V::mul(lanes.load(dy + i), gain != nullptr ? lanes.load(gain + i) : one);
    const auto old = accumulate ? lanes.load(dx + i) : V::zero();
    lanes.store(dx + i, V::fma(V::fnma(normal, mean_gh, g), scale, old));
  });
}

}  // namespace cllm::kernels
