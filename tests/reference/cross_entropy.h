// The plain truth of softmax cross-entropy with a soft cap.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cllm::reference {

// losses [N] = logsumexp(z) - z[target], z = (cap > 0 ? cap * tanh(logit / cap) : logit) + added,
// where added [N, V] may be empty; 0 where the target is -1. Any logit may serve as the shift of
// the exponentials, so the largest real part does.
template <class T>
std::vector<T> cross_entropy(size_t V, double cap, const std::vector<int32_t>& targets,
                             const std::vector<T>& logits, const std::vector<double>& added = {}) {
  using std::exp;
  using std::log;
  using std::tanh;
  std::vector<T> losses;
  for (size_t n = 0; n < targets.size(); ++n) {
    if (targets[n] < 0) {
      losses.push_back(T{});
      continue;
    }
    std::vector<T> z(logits.begin() + static_cast<ptrdiff_t>(n * V),
                     logits.begin() + static_cast<ptrdiff_t>((n + 1) * V));
    if (cap > 0)
      for (T& value : z)
        value = cap * tanh(value / cap);
    for (size_t v = 0; !added.empty() && v < V; ++v)
      z[v] += added[n * V + v];
    const T shift =
        *std::max_element(z.begin(), z.end(), [](T a, T b) { return std::real(a) < std::real(b); });
    T sum{};
    for (const T& value : z)
      sum += exp(value - shift);
    losses.push_back(log(sum) + shift - z[static_cast<size_t>(targets[n])]);
  }
  return losses;
}

}  // namespace cllm::reference
