// The plain truth of rotary position embedding, as a product of complex numbers.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace cllm::reference {

// Turns pair (i, i + D/2) of every head of x [N, heads * D] by position * frequencies[i], position
// = first_position + n % T.
template <class T>
std::vector<T> rotary(size_t tokens_per_sequence, size_t heads, size_t first_position,
                      const std::vector<double>& frequencies, const std::vector<T>& x) {
  const size_t half = frequencies.size(), width = heads * 2 * half;
  std::vector<T> y(x.size());
  for (size_t n = 0; n * width < x.size(); ++n) {
    const auto position = static_cast<double>(first_position + n % tokens_per_sequence);
    for (size_t head = 0; head < heads; ++head) {
      for (size_t i = 0; i < half; ++i) {
        const double c = std::cos(position * frequencies[i]),
                     s = std::sin(position * frequencies[i]);
        const size_t a = n * width + head * 2 * half + i, b = a + half;
        y[a] = x[a] * c - x[b] * s;
        y[b] = x[b] * c + x[a] * s;
      }
    }
  }
  return y;
}

}  // namespace cllm::reference
