// The plain truth of normalisation, for any scalar type that is analytic (double, complex). Forward
// only: gradients of the truth come from the complex step.
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <vector>

namespace cllm::reference {

template <class T>
struct Statistics {
  T mean, rstd;
};

template <class T>
Statistics<T> row_statistics(size_t C, double epsilon, const T* x) {
  using std::sqrt;
  T mean{}, variance{};
  for (size_t c = 0; c < C; ++c)
    mean += x[c];
  mean /= static_cast<double>(C);
  for (size_t c = 0; c < C; ++c)
    variance += (x[c] - mean) * (x[c] - mean);
  variance /= static_cast<double>(C);
  return {mean, 1.0 / sqrt(variance + epsilon)};
}

// y [N, C] = (x - mean) * rstd * gain + bias; bias may be empty.
template <class T>
std::vector<T> layer_norm(size_t C, double epsilon, const std::vector<T>& x,
                          const std::vector<T>& gain, const std::vector<T>& bias) {
  std::vector<T> y(x.size());
  for (size_t row = 0; row < x.size(); row += C) {
    const auto s = row_statistics(C, epsilon, x.data() + row);
    for (size_t c = 0; c < C; ++c)
      y[row + c] = (x[row + c] - s.mean) * s.rstd * gain[c] + (bias.empty() ? T{} : bias[c]);
  }
  return y;
}

template <class T>
T row_root_mean_square_inverse(size_t C, double epsilon, const T* x) {
  using std::sqrt;
  T sum{};
  for (size_t c = 0; c < C; ++c)
    sum += x[c] * x[c];
  return 1.0 / sqrt(sum / static_cast<double>(C) + epsilon);
}

// y [N, C] = x * rstd * gain; gain may be empty (1).
template <class T>
std::vector<T> rms_norm(size_t C, double epsilon, const std::vector<T>& x,
                        const std::vector<T>& gain) {
  std::vector<T> y(x.size());
  for (size_t row = 0; row < x.size(); row += C) {
    const T rstd = row_root_mean_square_inverse(C, epsilon, x.data() + row);
    for (size_t c = 0; c < C; ++c)
      y[row + c] = x[row + c] * rstd * (gain.empty() ? T(1.0) : gain[c]);
  }
  return y;
}

}  // namespace cllm::reference
