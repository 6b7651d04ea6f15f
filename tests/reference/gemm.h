// The scalar truth of ops/gemm.h: each element from its definition, with the bound that a float
// computation in any order of summation must keep. Templated on the scalar type.
// Bound of a sum of n terms: Higham, "Accuracy and Stability of Numerical Algorithms", section 4.2.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "ops/gemm.h"
#include "testing_storage.h"

namespace cllm::reference {

// Element `at` of `values`, exactly.
template <class Real>
Real value_at(ops::ConstValues values, int64_t at) {
  return ops::with_storage(values.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S x = values.as<S>()[at];
    if constexpr (std::is_same_v<S, float>)
      return Real(x);
    else
      return Real(testing::value_of(x));
  });
}

template <class Real>
struct GemmElement {
  Real value = 0, bound = 0;          // |c - value| <= bound
  Real before = 0, before_bound = 0;  // the same before the activation
};

template <class Real>
Real gelu(Real x) {
  using std::tanh;
  return x / 2 * (1 + tanh(Real(0.7978845608028654) * (x + Real(0.044715) * x * x * x)));
}

template <class Real>
Real gelu_derivative(Real x) {
  using std::tanh;
  const Real scale = Real(0.7978845608028654);
  const Real t = tanh(scale * (x + Real(0.044715) * x * x * x));
  return (1 + t) / 2 + x / 2 * (1 - t * t) * scale * (1 + 3 * Real(0.044715) * x * x);
}

// Element (i, j) of the product in `compute`, which rounds fp32 operands to bf16. call.c, auxiliary
// and residual must hold what they held before it, and call.b must be the matrix that was packed.
template <class Real>
class GemmTruth {
 public:
  GemmTruth(const ops::Gemm& call, ops::Compute compute)
      : call_(call),
        a_(static_cast<size_t>(call.m * call.k)),
        b_(static_cast<size_t>(call.n * call.k)) {
    const bool narrow = compute == ops::Compute::kBf16;
    for (int64_t p = 0; p < call.k; ++p) {
      for (int64_t i = 0; i < call.m; ++i)
        a_[static_cast<size_t>(i * call.k + p)] =
            operand(value_at<Real>(call.a, call.a_transposed ? p * call.lda + i : i * call.lda + p),
                    narrow);
      for (int64_t j = 0; j < call.n; ++j)
        b_[static_cast<size_t>(j * call.k + p)] =
            operand(value_at<Real>(call.b, call.b_transposed ? j * call.ldb + p : p * call.ldb + j),
                    narrow);
    }
  }

  GemmElement<Real> element(int64_t i, int64_t j) const {
    GemmElement<Real> e;
    Real magnitude = 0;
    for (int64_t p = 0; p < call_.k; ++p) {
      const Real product =
          a_[static_cast<size_t>(i * call_.k + p)] * b_[static_cast<size_t>(j * call_.k + p)];
      e.before += product;
      magnitude += std::abs(product);
    }
    const auto include = [&](Real term) {
      e.before += term;
      magnitude += std::abs(term);
    };
    const bool active = call_.epilogue.activation != ops::Activation::kNone;
    const int64_t at = i * call_.ldc + j;
    if (call_.accumulate) include(value_at<Real>(call_.c, at));
    if (call_.epilogue.bias != nullptr) include(Real(call_.epilogue.bias[j]));
    if (call_.epilogue.residual && !active) include(value_at<Real>(call_.epilogue.residual, at));
    // One rounding per product and one per addition, of which there are at most k + 3.
    const Real roundings = Real(call_.k + 4) * kUnit;
    e.before_bound = roundings / (1 - roundings) * magnitude;
    e.value = e.before;
    e.bound = e.before_bound;
    if (active) activate(at, e);
    e.bound = stored_bound(e.value, e.bound);
    e.before_bound = stored_bound(e.before, e.before_bound);
    return e;
  }

 private:
  static constexpr Real kUnit = Real(1) / (1 << 24);

  static Real operand(Real x, bool narrow) {
    return narrow ? Real(testing::nearest<kernels::Bf16>(x)) : x;
  }

  // What is within `bound` of `value` and is then rounded to the type of C.
  Real stored_bound(Real value, Real bound) const {
    return ops::with_storage(call_.c.storage(), [&](auto tag) {
      using Format = testing::StorageFormat<typename decltype(tag)::Type>;
      const Real unit = Format::kUnit;
      return bound + unit * (std::abs(value) + bound + Real(std::ldexp(1.0, Format::kLeast)));
    });
  }

  // Error of the argument times the Lipschitz constant (1.13 for GELU, whose derivative has that
  // maximum) plus the error of the function itself: GELU is x sigmoid(z) with |z| s (1 - s) <= 0.23
  // and about five roundings in z, so below 16 units of x; its derivative multiplies 1 - s,
  // absolute error below 8 units, by |x| times a slope.
  void activate(int64_t at, GemmElement<Real>& e) const {
    const Real v = e.before, size = std::abs(v) + e.before_bound;
    const bool backward = call_.epilogue.activation == ops::Activation::kGeluBackward ||
                          call_.epilogue.activation == ops::Activation::kRelu2Backward;
    const Real x = backward ? value_at<Real>(call_.epilogue.auxiliary, at) : Real(0);
    const Real positive = std::max(x, Real(0));
    switch (call_.epilogue.activation) {
      case ops::Activation::kNone:
      case ops::Activation::kSwiglu:  // not an elementwise epilogue: see gemm_epilogue_test
      case ops::Activation::kSwigluBackward:
        break;
      case ops::Activation::kGelu:
        e.value = gelu(v);
        e.bound = Real(1.13) * e.before_bound + 16 * kUnit * size;
        break;
      case ops::Activation::kRelu2:
        e.value = v > 0 ? v * v : Real(0);
        e.bound = 2 * size * e.before_bound + 2 * kUnit * size * size;
        break;
      case ops::Activation::kGeluBackward:
        e.value = v * gelu_derivative(x);
        e.bound = Real(1.13) * e.before_bound +
                  size * kUnit * (16 + 8 * std::abs(x) * Real(1.6) * (1 + Real(0.1342) * x * x));
        break;
      case ops::Activation::kRelu2Backward:
        e.value = v * 2 * positive;
        e.bound = 2 * positive * (e.before_bound + 2 * kUnit * size);
        break;
    }
    if (!call_.epilogue.residual) return;
    e.value += value_at<Real>(call_.epilogue.residual, at);
    e.bound += kUnit * (std::abs(e.value) + e.bound);
  }

  ops::Gemm call_;
  std::vector<Real> a_, b_;  // [m, k] and [n, k], as they are multiplied
};

// Written so that NaN fails.
template <class Real>
bool within(Real got, Real value, Real bound) {
  return std::abs(got - value) <= bound;
}

}  // namespace cllm::reference
