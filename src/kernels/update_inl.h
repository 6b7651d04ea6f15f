// The templates behind kernels/update.h, over the vector interface V. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/span_inl.h"
#include "kernels/update.h"

namespace cllm::kernels {

template <class V>
void adamw(const AdamWUpdate* update, int64_t n, const float* gradients, float* weights,
           float* first, float* second) {
  const auto scale = V::set(update->gradient_scale), decay = V::set(update->decay);
  const auto first_rate = V::set(update->first_rate);
  const auto second_rate = V::set(update->second_rate);
  const auto root_correction = V::set(update->root_correction);
  const auto epsilon = V::set(update->epsilon), step_size = V::set(update->step_size);
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto g = V::mul(lanes.load(gradients + i), scale);
    const auto old_m = lanes.load(first + i), old_v = lanes.load(second + i);
    const auto m = V::fma(V::sub(g, old_m), first_rate, old_m);
    const auto v = V::fma(V::sub(V::mul(g, g), old_v), second_rate, old_v);
    const auto denominator = V::fma(V::sqrt(v), root_correction, epsilon);
    const auto step = V::div(V::mul(step_size, m), denominator);
    lanes.store(first + i, m);
    lanes.store(second + i, v);
    const auto w = lanes.load(weights + i);
    lanes.store(weights + i, V::sub(V::fnma(w, decay, w), step));
  });
}

template <class V>
void sgd(const SgdUpdate* update, int64_t n, const float* gradients, float* weights,
         float* velocity) {
  const auto scale = V::set(update->gradient_scale), momentum = V::set(update->momentum);
  const auto decay = V::set(update->decay), rate = V::set(update->learning_rate);
  for_each<V>(n, [&](int64_t i, auto lanes) {
    const auto g = V::mul(lanes.load(gradients + i), scale);
    const auto v = V::fma(momentum, lanes.load(velocity + i), g);
    lanes.store(velocity + i, v);
    const auto w = lanes.load(weights + i);
    lanes.store(weights + i, V::fnma(rate, v, V::fnma(w, decay, w)));
  });
}

template <class V>
double sum_of_squares(int64_t n, const float* x) {
  return sum_of<V>(n, [&](int64_t i, auto lanes) {
    const auto value = lanes.load(x + i);
    return V::mul(value, value);
  });
}

template <class V>
constexpr UpdateKernels make_update_kernels() {
  return {adamw<V>, sgd<V>, sum_of_squares<V>};
}

}  // namespace cllm::kernels
