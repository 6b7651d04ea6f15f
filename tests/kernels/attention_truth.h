// A head of attention, its true outputs and gradients in double, and how far rounding may take a
// kernel from them, element by element.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/table.h"
#include "reference/attention.h"
#include "testing_storage.h"

namespace cllm::testing {

// One head: `queries` queries at positions from `position` on, the last sees the last key.
struct Head {
  int64_t queries, position, D;
  std::vector<float> q, k, v, dout;  // representable in the storage

  int64_t keys() const { return position + queries; }
  reference::Attention reference() const {
    return {1, queries, keys(), 1, 1, D, static_cast<double>(scale()), {}};
  }
  float scale() const { return 1 / std::sqrt(static_cast<float>(D)); }
  std::string name() const {
    return fmt::format("queries={} position={} D={}", queries, position, D);
  }
};

template <class S>
Head random_head(int64_t queries, int64_t position, int64_t D) {
  const auto size = static_cast<size_t>(queries * D);
  const auto key_size = static_cast<size_t>((position + queries) * D);
  return {queries,
          position,
          D,
          random_stored<S>(size, 1),
          random_stored<S>(key_size, 2),
          random_stored<S>(key_size, 3),
          random_stored<S>(size, 4)};
}

// Normal inputs, scores of size 1 to 10: a probability carries a few u times the score (its own
// rounding and that of the sum over D), so 300 u on values up to 4 is generous, and 1e4 times
// smaller than what a wrong mask or scale would do.
inline constexpr double kBound = 1200 * kUnit;

// With up to 64 queries a column of probabilities sums to less than 64, of which the bound allows.
inline constexpr double kKeyBound = 8 * kBound;

// The unit of the probabilities and their gradients as factors of products: the tables that
// multiply bf16 round them to it, the others keep fp32.
template <class S>
double product_unit(const kernels::Table& table) {
  const bool rounds =
      kernels::kStorageOf<S> == kernels::Storage::kBf16 && std::string(table.name) == "avx512_bf16";
  return rounds ? StorageFormat<kernels::Bf16>::kUnit : 0;
}

// |actual - expected| <= tolerance, element by element.
inline ::testing::AssertionResult within(const std::vector<float>& actual,
                                         const std::vector<double>& expected,
                                         const std::vector<double>& tolerances) {
  std::vector<double> errors(actual.size());
  for (size_t i = 0; i < actual.size(); ++i)
    errors[i] = (static_cast<double>(actual[i]) - expected[i]) / tolerances[i];
  return all_close(errors, std::vector<double>(actual.size()), 1, 0);
}

inline std::vector<double> magnitudes(const std::vector<double>& x) {
  std::vector<double> y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = std::abs(x[i]);
  return y;
}

// What the roundings to 16 bits may change, to first order in double: with w = product_unit and u
// the unit of the storage,
//   |out|: w sum P |v| + u |out|      dot = <dout, out>: sum over D of |dout| times that
//   |dS| = P (w |dP - dot| + dot's)   |dq| = scale sum |dS| |k| + u |dq|
//   |dv| = w sum P |dout|             |dk| = scale sum |dS| |q|
// and the bounds of fp32 on top. The factor 2 covers the second order, and VDPBF16PS, which rounds
// twice per pair.
struct Truth {
  std::vector<double> out, logs, dq, dk, dv;
  std::vector<double> out_error, dq_error, dk_error, dv_error;

  Truth(const Head& head, double w, double u) {
    const auto a = head.reference();
    const auto q = widen(head.q), k = widen(head.k), v = widen(head.v), dout = widen(head.dout);
    out = reference::attention_forward(a, q, k, v, &logs);
    auto g = reference::attention_backward(a, q, k, v, dout);
    dq = g.dq, dk = g.dk, dv = g.dv;
    out_error = reference::attention_forward(a, q, k, magnitudes(v));
    for (size_t i = 0; i < out.size(); ++i)
      out_error[i] = 2 * (w * out_error[i] + u * std::abs(out[i])) + kBound;
    dq_error = magnitudes(dq);
    for (double& x : dq_error)
      x = 2 * u * x + kBound;
    dk_error.assign(dk.size(), kKeyBound);
    dv_error.assign(dv.size(), kKeyBound);
    for (int64_t i = 0; i < head.queries; ++i)
      add_query(head, i, w);
  }

 private:
  void add_query(const Head& head, int64_t i, double w) {
    const int64_t D = head.D;
    const auto a = head.reference();
    const auto k = widen(head.k), v = widen(head.v);
    const auto q = widen(head.q), dout = magnitudes(widen(head.dout)), exact = widen(head.dout);
    const size_t row = static_cast<size_t>(i * D);
    double logarithm = 0, dot = 0, dot_error = 0;
    const auto p = reference::probabilities(a, &q[row], k, 0, i, 0, logarithm);
    for (size_t d = row; d < row + static_cast<size_t>(D); ++d) {
      dot += exact[d] * out[d];
      dot_error += dout[d] * (out_error[d] - kBound);
    }
    for (size_t s = 0; s < p.size(); ++s) {
      const size_t key = s * static_cast<size_t>(D);
      const double dp = reference::dot(D, &exact[row], &v[key]);
      const double error = a.scale * p[s] * (2 * w * std::abs(dp - dot) + dot_error);
      for (size_t d = 0; d < static_cast<size_t>(D); ++d) {
        dq_error[row + d] += error * std::abs(k[key + d]);
        dk_error[key + d] += error * std::abs(q[row + d]);
        dv_error[key + d] += 2 * w * p[s] * dout[row + d];
      }
    }
  }
};

}  // namespace cllm::testing
