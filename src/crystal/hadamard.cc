#include "crystal/hadamard.h"

#include <bit>
#include <cmath>

#include "base/check.h"
#include "base/philox.h"

namespace cllm {
namespace {

template <class T>
void transform(std::span<T> x) {
  CHECK(std::has_single_bit(x.size()));
  for (size_t half = 1; half < x.size(); half *= 2)
    for (size_t first = 0; first < x.size(); first += 2 * half) {
      T* const low = x.data() + first;
      T* const high = low + half;
      for (size_t i = 0; i < half; ++i) {
        const T a = low[i], b = high[i];
        low[i] = a + b;
        high[i] = a - b;
      }
    }
}

template <class T>
void scaled_transform(std::span<T> x, T scale) {
  transform(x);
  for (T& value : x)
    value *= scale;
}

template <class T>
void flip(T* x, const std::vector<int8_t>& signs) {
  for (size_t i = 0; i < signs.size(); ++i)
    x[i] *= static_cast<T>(signs[i]);
}

std::vector<int8_t> random_signs(size_t size, uint64_t seed, uint64_t step) {
  const Philox source(seed, RandomStream::kRotation);
  std::vector<int8_t> signs(size);
  for (size_t i = 0; i < size; ++i)
    signs[i] = (source.bits(step, i)[0] & 1) != 0 ? 1 : -1;
  return signs;
}

}  // namespace

void walsh_hadamard(std::span<float> x) {
  transform(x);
}
void walsh_hadamard(std::span<double> x) {
  transform(x);
}

RandomRotation::RandomRotation(size_t size, uint64_t seed)
    : first_signs_(random_signs(size, seed, 0)),
      block_(std::bit_floor(size)),
      scale_(1 / std::sqrt(static_cast<double>(block_))) {
  CHECK(size >= 1);
  if (block_ != size) second_signs_ = random_signs(size, seed, 1);
}

template <class T>
void RandomRotation::rotate_row(T* x, bool inverse) const {
  // H is symmetric, so each factor is its own inverse.
  const auto scale = static_cast<T>(scale_);
  const std::span<T> head(x, block_), tail(x + size() - block_, block_);
  if (!inverse) flip(x, first_signs_);
  if (second_signs_.empty()) {
    scaled_transform(head, scale);
  } else {
    scaled_transform(inverse ? tail : head, scale);
    flip(x, second_signs_);
    scaled_transform(inverse ? head : tail, scale);
  }
  if (inverse) flip(x, first_signs_);
}

template <class T>
void RandomRotation::rotate(std::span<T> rows, ThreadPool& pool, bool inverse) const {
  CHECK_EQ(rows.size() % size(), 0U);
  pool.parallel_for(static_cast<int64_t>(rows.size() / size()), [&](int64_t row, int) {
    rotate_row(rows.data() + static_cast<size_t>(row) * size(), inverse);
  });
}

void RandomRotation::apply(std::span<float> rows, ThreadPool& pool) const {
  rotate(rows, pool, false);
}
void RandomRotation::apply(std::span<double> rows, ThreadPool& pool) const {
  rotate(rows, pool, false);
}
void RandomRotation::apply_inverse(std::span<float> rows, ThreadPool& pool) const {
  rotate(rows, pool, true);
}
void RandomRotation::apply_inverse(std::span<double> rows, ThreadPool& pool) const {
  rotate(rows, pool, true);
}

void RandomRotation::apply_both_sides(std::span<double> matrix, ThreadPool& pool) const {
  const size_t n = size();
  CHECK_EQ(matrix.size(), n * n);
  for (int side = 0; side < 2; ++side) {
    rotate(matrix, pool, false);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < i; ++j)
        std::swap(matrix[i * n + j], matrix[j * n + i]);
  }
}

}  // namespace cllm
