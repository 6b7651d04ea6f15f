// Elementary functions on vectors, written once over the vector interface. Kernel internal.
#pragma once

#include <cstdint>

namespace cllm::kernels {

// e^x with a relative error below 2 ulp on [-87.3, 88.7]; flushes to 0 below, saturates near the
// largest float above; NaN gives NaN. Range reduction by ln 2 in two parts and the degree-5
// polynomial of Cephes expf (Moshier).
template <class V>
typename V::Float exp(typename V::Float x) {
  using F = typename V::Float;
  const F low = V::set(-87.33654f);
  const F clamped =
      V::min(V::set(88.02f), V::max(low, x));  // both return the second operand for NaN
  const F n = V::round(V::mul(clamped, V::set(1.44269504088896341f)));
  F r = V::fnma(n, V::set(0.693359375f), clamped);
  r = V::fnma(n, V::set(-2.12194440e-4f), r);
  F p = V::set(1.9875691500e-4f);
  p = V::fma(p, r, V::set(1.3981999507e-3f));
  p = V::fma(p, r, V::set(8.3334519073e-3f));
  p = V::fma(p, r, V::set(4.1665795894e-2f));
  p = V::fma(p, r, V::set(1.6666665459e-1f));
  p = V::fma(p, r, V::set(5.0000001201e-1f));
  p = V::fma(p, V::mul(r, r), V::add(r, V::set(1.0f)));
  return V::select_less(x, low, V::zero(), V::scale_by_power_of_two(p, n));
}

// 1 / (1 + e^-x)
template <class V>
typename V::Float sigmoid(typename V::Float x) {
  return V::div(V::set(1.0f), V::add(V::set(1.0f), exp<V>(V::sub(V::zero(), x))));
}

// tanh with a relative error below 4 * 2^-24: the odd polynomial of Cephes tanhf (Moshier) below
// 0.625, 1 - 2 / (e^2|x| + 1) with the sign of x above.
template <class V>
typename V::Float tanh(typename V::Float x) {
  using F = typename V::Float;
  const F square = V::mul(x, x);
  F p = V::set(-5.70498872745e-3f);
  p = V::fma(p, square, V::set(2.06390887954e-2f));
  p = V::fma(p, square, V::set(-5.37397155531e-2f));
  p = V::fma(p, square, V::set(1.33314422036e-1f));
  p = V::fma(p, square, V::set(-3.33332819422e-1f));
  const F small = V::fma(V::mul(p, square), x, x);
  const F one = V::set(1.0f), size = V::max(x, V::sub(V::zero(), x));
  const F large = V::sub(one, V::div(V::set(2.0f), V::add(exp<V>(V::add(size, size)), one)));
  const F signed_large = V::select_less(x, V::zero(), V::sub(V::zero(), large), large);
  return V::select_less(size, V::set(0.625f), small, signed_large);
}

// GELU, tanh form: x * sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3).
template <class V>
typename V::Float gelu(typename V::Float x) {
  const auto inner = V::fma(V::mul(V::mul(x, x), x), V::set(0.044715f), x);
  return V::mul(x, sigmoid<V>(V::mul(inner, V::set(2.0f * 0.7978845608028654f))));
}

// d gelu(x) / dx
template <class V>
typename V::Float gelu_derivative(typename V::Float x) {
  using F = typename V::Float;
  const F scale = V::set(2.0f * 0.7978845608028654f);
  const F square = V::mul(x, x);
  const F inner = V::fma(V::mul(square, x), V::set(0.044715f), x);
  const F s = sigmoid<V>(V::mul(inner, scale));
  const F slope = V::mul(scale, V::fma(square, V::set(3.0f * 0.044715f), V::set(1.0f)));
  return V::fma(V::mul(x, V::mul(s, V::sub(V::set(1.0f), s))), slope, s);
}

}  // namespace cllm::kernels
