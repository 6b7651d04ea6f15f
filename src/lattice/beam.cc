#include "lattice/beam.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace cllm::lattice {

BeamSearch::BeamSearch(const RealGramSchmidt& gram_schmidt, size_t width)
    : gram_schmidt_(gram_schmidt),
      size_(gram_schmidt.norm2.size()),
      width_(width),
      // A wide beam can afford to look at more siblings; three are enough for most (Guo, Nilsson
      // 2006).
      children_(std::max<int>(3, 2 + static_cast<int>(std::bit_width(width)))),
      distance_(width),
      next_distance_(width),
      centers_(width * size_),
      next_centers_(width * size_),
      values_(width * size_),
      next_values_(width * size_) {
  CHECK(width >= 1);
  candidates_.reserve(width * static_cast<size_t>(children_));
}

void BeamSearch::expand(size_t level, double bound) {
  candidates_.clear();
  const double norm = gram_schmidt_.norm2[level];
  for (size_t parent = 0; parent < alive_; ++parent) {
    const double center = centers_[parent * size_ + level];
    double value = std::nearbyint(center);
    double step = center >= value ? 1 : -1;
    for (int child = 0; child < children_; ++child) {
      const double offset = center - value;
      const double distance = distance_[parent] + offset * offset * norm;
      if (!(distance <= bound)) break;
      candidates_.push_back({distance, value, parent});
      value += step;
      step = step > 0 ? -step - 1 : -step + 1;
    }
  }
  const auto nearer = [](const Child& a, const Child& b) {
    if (a.distance2 != b.distance2) return a.distance2 < b.distance2;
    return a.parent != b.parent ? a.parent < b.parent : a.value < b.value;
  };
  if (candidates_.size() > width_) {
    std::ranges::nth_element(candidates_, candidates_.begin() + static_cast<ptrdiff_t>(width_),
                             nearer);
    candidates_.resize(width_);
  }
}

void BeamSearch::keep(size_t level) {
  for (size_t i = 0; i < candidates_.size(); ++i) {
    const Child& child = candidates_[i];
    const double* const centers = centers_.data() + child.parent * size_;
    double* const next = next_centers_.data() + i * size_;
    const auto row = gram_schmidt_.mu.row(level);
    for (size_t k = 0; k < level; ++k)
      next[k] = centers[k] - child.value * row[k];
    const double* const values = values_.data() + child.parent * size_;
    std::copy(values + level + 1, values + size_, next_values_.data() + i * size_ + level + 1);
    next_values_[i * size_ + level] = child.value;
    next_distance_[i] = child.distance2;
  }
  alive_ = candidates_.size();
  centers_.swap(next_centers_);
  values_.swap(next_values_);
  distance_.swap(next_distance_);
}

double BeamSearch::search(std::span<const double> target, double bound,
                          std::span<double> coefficients) {
  CHECK(target.size() == size_ && coefficients.size() == size_);
  alive_ = 1;
  distance_[0] = 0;
  std::ranges::copy(target, centers_.begin());
  for (size_t level = size_; level-- > 0;) {
    expand(level, bound);
    if (candidates_.empty()) return std::numeric_limits<double>::infinity();
    keep(level);
  }
  const auto best = static_cast<size_t>(
      std::min_element(distance_.begin(), distance_.begin() + static_cast<ptrdiff_t>(alive_)) -
      distance_.begin());
  std::copy_n(values_.begin() + static_cast<ptrdiff_t>(best * size_), size_, coefficients.begin());
  return distance_[best];
}

}  // namespace cllm::lattice
