// What tests of kernels and operations need for the element types of activations: an independent
// reading and rounding of the 16-bit formats in double, guarded spans of any of them, and
// tolerances that allow for the one rounding of a store.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/storage.h"
#include "testing.h"

namespace cllm::testing {

// TYPED_TEST_SUITE(Name, Storages)
using Storages = ::testing::Types<float, kernels::Bf16, kernels::Fp16>;

// A binary format: 1 sign bit, exponent bits, kFraction fraction bits.
template <class S>
struct StorageFormat {
  static constexpr int kFraction = kernels::kStorageOf<S> == kernels::Storage::kBf16 ? 7 : 10;
  static constexpr int kExponents = 1 << (15 - kFraction);
  static constexpr int kLeast = 3 - kExponents / 2 - 1;    // exponent of the least normal number
  static constexpr double kUnit = 1.0 / (2 << kFraction);  // unit roundoff of a normal number
};
template <>
struct StorageFormat<float> {
  static constexpr int kLeast = -126;
  static constexpr double kUnit = 0;  // the kernels' own bounds count the rounding of the result
};

// The number behind the bits of a 16-bit format; NaN for every NaN.
template <class S>
double value_of(S x) {
  using Format = StorageFormat<S>;
  const int size = x.bits & 0x7fff, fraction = size & ((1 << Format::kFraction) - 1);
  const int exponent = size >> Format::kFraction;
  double value = std::numeric_limits<double>::infinity();
  if (exponent == Format::kExponents - 1 && fraction != 0) return std::nan("");
  if (exponent == 0) value = std::ldexp(fraction, Format::kLeast - Format::kFraction);
  if (exponent > 0 && exponent < Format::kExponents - 1)
    value = std::ldexp(fraction + (1 << Format::kFraction),
                       exponent - 1 + Format::kLeast - Format::kFraction);
  return (x.bits & 0x8000) != 0 ? -value : value;
}

// x to nearest, ties to even, by arithmetic in double: x is a multiple of its quantum, an integer
// times 2^(exponent - kFraction), and what exceeds the largest exponent is infinite.
template <class S>
double nearest(double x) {
  using Format = StorageFormat<S>;
  if (std::isnan(x) || std::isinf(x) || x == 0) return x;
  const double quantum = std::ldexp(1, std::max(std::ilogb(x), Format::kLeast) - Format::kFraction);
  const double rounded = std::nearbyint(x / quantum) * quantum;
  const int most = Format::kLeast + Format::kExponents - 3;
  return std::ilogb(rounded) > most && rounded != 0
             ? std::copysign(std::numeric_limits<double>::infinity(), x)
             : rounded;
}
template <>
inline double nearest<float>(double x) {
  return static_cast<double>(static_cast<float>(x));
}

// The S nearest to x, which is not NaN.
template <class S>
S stored(float x) {
  using Format = StorageFormat<S>;
  const double size = std::abs(nearest<S>(static_cast<double>(x)));
  int bits = (Format::kExponents - 1) << Format::kFraction;
  if (!std::isinf(size)) {
    const int exponent = size == 0 ? Format::kLeast : std::max(std::ilogb(size), Format::kLeast);
    const auto multiple = static_cast<int>(std::ldexp(size, Format::kFraction - exponent));
    bits = ((exponent - Format::kLeast) << Format::kFraction) + multiple;
  }
  return {static_cast<uint16_t>(bits | (std::signbit(x) ? 0x8000 : 0))};
}
template <>
inline float stored<float>(float x) {
  return x;
}
template <class S>
std::vector<S> stored(const std::vector<float>& x) {
  std::vector<S> y;
  for (const float value : x)
    y.push_back(stored<S>(value));
  return y;
}

template <class S>
std::vector<float> floats_of(const std::vector<S>& x) {
  std::vector<float> y;
  for (const S value : x)
    y.push_back(static_cast<float>(value_of(value)));
  return y;
}
template <>
inline std::vector<float> floats_of(const std::vector<float>& x) {
  return x;
}

// random_vector rounded to S: what an activation may hold.
template <class S>
std::vector<float> random_stored(size_t n, uint64_t seed, double scale = 1) {
  return floats_of(stored<S>(random_vector(n, seed, scale)));
}

// A span of S that holds `values` rounded to S, `offset` elements after a 64-byte boundary, between
// sentinels. A kernel that writes outside its span is caught by intact().
template <class S>
class StorageSpan {
 public:
  StorageSpan(const std::vector<float>& values, size_t offset)
      : storage_(values.size() + 3 * kMargin, sentinel()), size_(values.size()) {
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    begin_ = (64 - address % 64) / sizeof(S) + kMargin + offset;
    const std::vector<S> elements = stored<S>(values);
    std::copy(elements.begin(), elements.end(), storage_.begin() + static_cast<ptrdiff_t>(begin_));
  }
  StorageSpan(const StorageSpan&) = delete;
  StorageSpan& operator=(const StorageSpan&) = delete;

  S* data() { return storage_.data() + begin_; }
  std::vector<S> elements() const {
    const auto first = storage_.begin() + static_cast<ptrdiff_t>(begin_);
    return {first, first + static_cast<ptrdiff_t>(size_)};
  }
  std::vector<float> values() const { return floats_of(elements()); }
  bool intact() const {
    const S expected = sentinel();
    for (size_t i = 0; i < storage_.size(); ++i)
      if ((i < begin_ || i >= begin_ + size_) &&
          std::memcmp(&storage_[i], &expected, sizeof(S)) != 0)
        return false;
    return true;
  }

 private:
  static constexpr size_t kMargin = 64;
  static S sentinel() {
    S x;
    std::memset(&x, 0x47, sizeof x);
    return x;
  }
  std::vector<S> storage_;
  size_t size_;
  size_t begin_ = 0;
};

// all_close for results that were right within (absolute, relative) in fp32 and then rounded once
// to S: a relative unit more, and half a quantum below the normal numbers.
template <class S, class E>
::testing::AssertionResult stored_close(const std::vector<float>& actual,
                                        const std::vector<E>& expected, double absolute,
                                        double relative) {
  using Format = StorageFormat<S>;
  const double unit = Format::kUnit, tiny = unit * std::ldexp(1, Format::kLeast);
  return all_close(actual, expected, absolute * (1 + unit) + tiny,
                   relative + unit * (1 + relative));
}

}  // namespace cllm::testing
