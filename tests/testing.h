// What the numeric tests share: vectors from Philox, comparison in which NaN fails, gradients by
// the complex step (Squire & Trapp, 1998), loops over kernel tables and thread counts, and spans
// that notice a write outside them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/philox.h"

namespace cllm::testing {

using Complex = std::complex<double>;

// Unit roundoff of float: |fl(x) - x| <= kUnit |x|.
inline constexpr double kUnit = 0x1.0p-24;

// `n` independent normal numbers times `scale`, a pure function of the arguments.
inline std::vector<float> random_vector(size_t n, uint64_t seed, double scale = 1) {
  const Philox source(seed, RandomStream::kTest);
  std::vector<float> x(n);
  for (size_t i = 0; i < n; ++i)
    x[i] = static_cast<float>(scale * source.normal(0, i));
  return x;
}

// `n` integers uniform in [0, bound).
inline std::vector<int32_t> random_tokens(size_t n, int32_t bound, uint64_t seed) {
  const Philox source(seed, RandomStream::kTest);
  std::vector<int32_t> x(n);
  for (size_t i = 0; i < n; ++i)
    x[i] = static_cast<int32_t>(source.below(static_cast<uint64_t>(bound), 1, i));
  return x;
}

// The same values in double, or in any type made from double.
template <class To = double>
std::vector<To> widen(const std::vector<float>& x) {
  return std::vector<To>(x.begin(), x.end());
}

// |actual - expected| <= absolute + relative |expected| for every element; NaN in either fails.
// Reports the element with the largest error, counted in tolerances.
template <class A, class E>
::testing::AssertionResult all_close(const std::vector<A>& actual, const std::vector<E>& expected,
                                     double absolute, double relative) {
  if (actual.size() != expected.size())
    return ::testing::AssertionFailure()
           << actual.size() << " elements, expected " << expected.size();
  double worst = -1;
  size_t worst_index = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double a = static_cast<double>(actual[i]), e = static_cast<double>(expected[i]);
    const double error = std::abs(a - e), tolerance = absolute + relative * std::abs(e);
    const bool good = error <= tolerance;
    const double badness = good ? (tolerance > 0 ? error / tolerance : 0)
                                : (error / tolerance > 1 ? error / tolerance
                                                         : std::numeric_limits<double>::infinity());
    if (badness > worst) {
      worst = badness;
      worst_index = i;
    }
  }
  if (!(worst > 1)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "element " << worst_index << " of " << actual.size() << ": " << actual[worst_index]
         << ", expected " << expected[worst_index] << ", " << worst << " tolerances off";
}

// The same bits; reports the first difference.
template <class T>
::testing::AssertionResult same_bits(const std::vector<T>& actual, const std::vector<T>& expected) {
  if (actual.size() != expected.size())
    return ::testing::AssertionFailure()
           << actual.size() << " elements, expected " << expected.size();
  for (size_t i = 0; i < actual.size(); ++i)
    if (std::memcmp(&actual[i], &expected[i], sizeof(T)) != 0)
      return ::testing::AssertionFailure()
             << "element " << i << ": " << actual[i] << ", expected " << expected[i];
  return ::testing::AssertionSuccess();
}

// Gradient of an analytic real function at x: d f / d x_i = Im f(x + i h e_i) / h with no
// cancellation, so h may be tiny and the result is good to rounding of double. `f` takes
// std::vector<Complex> and returns Complex.
template <class Function>
std::vector<double> complex_step_gradient(const std::vector<float>& x, Function f) {
  constexpr double h = 1e-30;
  std::vector<Complex> z = widen<Complex>(x);
  std::vector<double> gradient(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    z[i] = Complex(z[i].real(), h);
    gradient[i] = f(z).imag() / h;
    z[i] = Complex(z[i].real(), 0);
  }
  return gradient;
}

// <weights, values>: turns a vector output into the scalar whose gradient is tested.
template <class T>
T inner_product(const std::vector<float>& weights, const std::vector<T>& values) {
  T sum{};
  for (size_t i = 0; i < values.size(); ++i)
    sum += static_cast<double>(weights[i]) * values[i];
  return sum;
}

// A span of n elements, `offset` elements after a 64-byte boundary, between sentinels. A kernel
// that writes outside its span is caught by intact().
class GuardedSpan {
 public:
  GuardedSpan(const std::vector<float>& values, size_t offset)
      : storage_(values.size() + 3 * kMargin, kSentinel), size_(values.size()) {
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    begin_ = (64 - address % 64) / sizeof(float) + kMargin + offset;
    std::copy(values.begin(), values.end(), storage_.begin() + static_cast<ptrdiff_t>(begin_));
  }
  GuardedSpan(const GuardedSpan&) = delete;
  GuardedSpan& operator=(const GuardedSpan&) = delete;

  float* data() { return storage_.data() + begin_; }
  std::vector<float> values() const {
    const auto first = storage_.begin() + static_cast<ptrdiff_t>(begin_);
    return {first, first + static_cast<ptrdiff_t>(size_)};
  }
  bool intact() const {
    for (size_t i = 0; i < storage_.size(); ++i)
      if ((i < begin_ || i >= begin_ + size_) && storage_[i] != kSentinel) return false;
    return true;
  }

 private:
  static constexpr size_t kMargin = 32;
  static constexpr float kSentinel = 123456.75f;
  std::vector<float> storage_;
  size_t size_;
  size_t begin_ = 0;
};

}  // namespace cllm::testing
