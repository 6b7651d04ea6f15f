// Weights as generation stores them, at a misaligned address and without an element after the last
// one, with their values in double. For the tests of kernels/decode.h and ops/decode.h.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/decode.h"
#include "testing_storage.h"

namespace cllm::testing {

inline constexpr kernels::WeightType kWeightTypes[] = {
    kernels::WeightType::kFp32, kernels::WeightType::kBf16, kernels::WeightType::kInt8};

// Random weights [out, in]. Rows of int8 have a scale each; the other types have 1.
class StoredWeights {
 public:
  StoredWeights(kernels::WeightType type, int64_t out, int64_t in, uint64_t seed)
      : type_(type),
        out_(out),
        in_(in),
        bytes_(kMisfit + static_cast<size_t>(out * in * kernels::weight_bytes(type))) {
    const auto numbers = random_vector(static_cast<size_t>(out * in), seed);
    for (size_t i = 0; i < numbers.size(); ++i)
      put(i, type == kernels::WeightType::kInt8 ? std::clamp(40 * numbers[i], -127.0f, 127.0f)
                                                : numbers[i]);
    scale_.assign(static_cast<size_t>(out), 1);
    if (type != kernels::WeightType::kInt8) return;
    const auto sizes = random_vector(static_cast<size_t>(out), seed + 1, 0.01);
    for (size_t o = 0; o < sizes.size(); ++o)
      scale_[o] = std::abs(sizes[o]);
  }

  const void* data() const { return bytes_.data() + kMisfit; }
  const float* scale() const {
    return type_ == kernels::WeightType::kInt8 ? scale_.data() : nullptr;
  }
  int64_t out() const { return out_; }
  int64_t in() const { return in_; }
  kernels::WeightType type() const { return type_; }

  double at(int64_t o, int64_t i) const {
    const auto index = static_cast<size_t>(o * in_ + i);
    const double scale = static_cast<double>(scale_[static_cast<size_t>(o)]);
    switch (type_) {
      case kernels::WeightType::kFp32:
        return static_cast<double>(get<float>(index));
      case kernels::WeightType::kBf16:
        return value_of(get<kernels::Bf16>(index));
      case kernels::WeightType::kInt8:
        break;
    }
    return scale * static_cast<double>(get<int8_t>(index));
  }
  // A NaN in this row, as the type has it.
  void poison(int64_t o) {
    const auto index = static_cast<size_t>(o * in_ + in_ / 2);
    if (type_ == kernels::WeightType::kInt8)
      scale_[static_cast<size_t>(o)] = std::numeric_limits<float>::quiet_NaN();
    else
      put(index, std::numeric_limits<float>::quiet_NaN());
  }

 private:
  static constexpr size_t kMisfit = 4;

  template <class W>
  W get(size_t index) const {
    W x;
    std::memcpy(&x, &bytes_[kMisfit + index * sizeof x], sizeof x);
    return x;
  }
  template <class W>
  void set(size_t index, W x) {
    std::memcpy(&bytes_[kMisfit + index * sizeof x], &x, sizeof x);
  }
  void put(size_t index, float x) {
    if (type_ == kernels::WeightType::kFp32) return set(index, x);
    if (type_ == kernels::WeightType::kInt8) return set(index, static_cast<int8_t>(std::lround(x)));
    set(index, std::isnan(x) ? kernels::Bf16{0x7fff} : stored<kernels::Bf16>(x));
  }

  kernels::WeightType type_;
  int64_t out_, in_;
  std::vector<unsigned char> bytes_;
  std::vector<float> scale_;
};

}  // namespace cllm::testing
