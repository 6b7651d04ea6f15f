// Causal attention in any scalar type, as the formulas say: one T x S row of probabilities at a
// time, no tiles, no running softmax. The backward pass is written by hand and is itself tested
// against complex steps of the forward pass.
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace cllm::reference {

struct Attention {
  int64_t B = 1, T = 1, S = 1, H = 1, K = 1, D = 1;
  double scale = 1;
  // Factor of the probability (b, h, t, s): 0 or 1/(1-p); empty: no dropout.
  std::function<double(int64_t element)> factor;

  size_t query(int64_t b, int64_t t, int64_t h) const {
    return static_cast<size_t>(((b * T + t) * H + h) * D);
  }
  size_t key(int64_t b, int64_t s, int64_t h) const {
    return static_cast<size_t>(((b * S + s) * K + h / (H / K)) * D);
  }
  int64_t row(int64_t b, int64_t t, int64_t h) const { return (b * H + h) * T + t; }
  double kept(int64_t row_index, int64_t s) const {
    return factor ? factor(row_index * S + s) : 1.0;
  }
};

inline double real_part(double x) {
  return x;
}
inline double real_part(std::complex<double> x) {
  return x.real();
}

template <class T>
T dot(int64_t D, const T* x, const T* y) {
  T sum{};
  for (int64_t d = 0; d < D; ++d)
    sum += x[d] * y[d];
  return sum;
}

// The probabilities of one query, and its log-sum-exp.
template <class T>
std::vector<T> probabilities(const Attention& a, const T* q, const std::vector<T>& k, int64_t b,
                             int64_t t, int64_t h, T& log_sum_exp) {
  std::vector<T> p(static_cast<size_t>(a.S - a.T + t + 1));
  double maximum = -1e300;
  for (size_t s = 0; s < p.size(); ++s) {
    p[s] = a.scale * dot(a.D, q, &k[a.key(b, static_cast<int64_t>(s), h)]);
    maximum = std::max(maximum, real_part(p[s]));
  }
  T sum{};
  for (T& x : p)
    sum += x = std::exp(x - maximum);
  for (T& x : p)
    x /= sum;
  log_sum_exp = maximum + std::log(sum);
  return p;
}

// q, out [B, T, H, D]; k, v [B, S, K, D]; log_sum_exp [B, H, T], may be null.
template <class T>
std::vector<T> attention_forward(const Attention& a, const std::vector<T>& q,
                                 const std::vector<T>& k, const std::vector<T>& v,
                                 std::vector<T>* log_sum_exp = nullptr) {
  std::vector<T> out(q.size());
  if (log_sum_exp != nullptr) log_sum_exp->resize(static_cast<size_t>(a.B * a.H * a.T));
  for (int64_t b = 0; b < a.B; ++b)
    for (int64_t t = 0; t < a.T; ++t)
      for (int64_t h = 0; h < a.H; ++h) {
        T logarithm;
        const auto p = probabilities(a, &q[a.query(b, t, h)], k, b, t, h, logarithm);
        if (log_sum_exp != nullptr) (*log_sum_exp)[static_cast<size_t>(a.row(b, t, h))] = logarithm;
        for (size_t s = 0; s < p.size(); ++s) {
          const auto key = static_cast<int64_t>(s);
          const T weight = p[s] * a.kept(a.row(b, t, h), key);
          for (int64_t d = 0; d < a.D; ++d)
            out[a.query(b, t, h) + static_cast<size_t>(d)] +=
                weight * v[a.key(b, key, h) + static_cast<size_t>(d)];
        }
      }
  return out;
}

struct AttentionGradients {
  std::vector<double> dq, dk, dv;
};

inline AttentionGradients attention_backward(const Attention& a, const std::vector<double>& q,
                                             const std::vector<double>& k,
                                             const std::vector<double>& v,
                                             const std::vector<double>& dout) {
  AttentionGradients g{std::vector<double>(q.size()), std::vector<double>(k.size()),
                       std::vector<double>(v.size())};
  for (int64_t b = 0; b < a.B; ++b)
    for (int64_t t = 0; t < a.T; ++t)
      for (int64_t h = 0; h < a.H; ++h) {
        double unused;
        const size_t i = a.query(b, t, h);
        const auto p = probabilities(a, &q[i], k, b, t, h, unused);
        std::vector<double> dp(p.size());
        double mean = 0;
        for (size_t s = 0; s < p.size(); ++s) {
          const auto key = static_cast<int64_t>(s);
          dp[s] = dot(a.D, &dout[i], &v[a.key(b, key, h)]) * a.kept(a.row(b, t, h), key);
          mean += p[s] * dp[s];
        }
        for (size_t s = 0; s < p.size(); ++s) {
          const auto key = static_cast<int64_t>(s);
          const size_t j = a.key(b, key, h);
          const double ds = a.scale * p[s] * (dp[s] - mean);
          const double weight = p[s] * a.kept(a.row(b, t, h), key);
          for (size_t d = 0; d < static_cast<size_t>(a.D); ++d) {
            g.dq[i + d] += ds * k[j + d];
            g.dk[j + d] += ds * q[i + d];
            g.dv[j + d] += weight * dout[i + d];
          }
        }
      }
  return g;
}

}  // namespace cllm::reference
