// A problem of attention with its scratch, its results on a table, what the reference says and how
// far rounding may take the results from it. For the tests of ops/attention.h.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/attention.h"
#include "reference/attention.h"
#include "reference/elementwise.h"
#include "testing.h"
#include "testing_tables.h"

namespace cllm::ops {

using testing::all_close;
using testing::kUnit;
using testing::random_vector;
using testing::widen;

struct Scratch {
  explicit Scratch(size_t floats) : storage(floats + 16) {}
  float* data() {
    const auto address = reinterpret_cast<uintptr_t>(storage.data());
    return storage.data() + (64 - address % 64) % 64 / sizeof(float);
  }
  std::vector<float> storage;
};

// Inputs [tokens, heads, D] per sequence, contiguous.
struct Case {
  AttentionShape shape;
  std::vector<float> q, k, v, dout;

  Case(int64_t B, int64_t T, int64_t S, int64_t H, int64_t K, int64_t D, float dropout = 0) {
    shape = {B, T, S, H, K, D, 1 / std::sqrt(static_cast<float>(D)), dropout, {11, 5, 3}};
    q = random_vector(count(T, H), 1);
    k = random_vector(count(S, K), 2);
    v = random_vector(count(S, K), 3);
    dout = random_vector(count(T, H), 4);
  }
  size_t count(int64_t tokens, int64_t heads) const {
    return static_cast<size_t>(shape.B * tokens * heads * shape.D);
  }
  reference::Attention reference() const {
    const AttentionShape& s = shape;
    reference::Attention a{s.B, s.T, s.S, s.H, s.K, s.D, static_cast<double>(s.scale), {}};
    if (s.dropout > 0)
      a.factor = [&s](int64_t element) {
        const double p = static_cast<double>(s.dropout);
        const DropoutKey& key = s.dropout_key;
        return reference::dropout_keeps(p, key.seed, static_cast<uint32_t>(key.step), key.site,
                                        static_cast<uint64_t>(element))
                   ? 1 / (1 - p)
                   : 0.0;
      };
    return a;
  }
};

struct Results {
  std::vector<float> out, log_sum_exp, dq, dk, dv;
  std::vector<float> all() const {
    std::vector<float> x = out;
    for (const auto* part : {&log_sum_exp, &dq, &dk, &dv})
      x.insert(x.end(), part->begin(), part->end());
    return x;
  }
};

inline ConstHeadRows rows(const std::vector<float>& x, int64_t heads, int64_t D) {
  return {x.data(), heads * D, 0};
}
inline HeadRows rows(std::vector<float>& x, int64_t heads, int64_t D) {
  return {x.data(), heads * D, 0};
}

// Outputs start as NaN: whatever is not overwritten fails.
inline Results run(const Context& context, const Case& c) {
  const AttentionShape& s = c.shape;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Scratch scratch(attention_scratch(context, s));
  std::fill(scratch.storage.begin(), scratch.storage.end(), nan);
  Results r;
  r.out.assign(c.q.size(), nan);
  r.log_sum_exp.assign(static_cast<size_t>(s.B * s.H * s.T), nan);
  const ConstHeadRows q = rows(c.q, s.H, s.D), k = rows(c.k, s.K, s.D), v = rows(c.v, s.K, s.D);
  attention_forward(context, s, q, k, v, rows(r.out, s.H, s.D), r.log_sum_exp.data(),
                    scratch.data());
  if (s.S != s.T) return r;
  std::fill(scratch.storage.begin(), scratch.storage.end(), nan);
  r.dq.assign(c.q.size(), nan);
  r.dk.assign(c.k.size(), nan);
  r.dv.assign(c.v.size(), nan);
  const Results& kept = r;
  attention_backward(context, s, q, k, v, rows(kept.out, s.H, s.D), r.log_sum_exp.data(),
                     rows(c.dout, s.H, s.D), rows(r.dq, s.H, s.D), rows(r.dk, s.K, s.D),
                     rows(r.dv, s.K, s.D), scratch.data());
  return r;
}

inline double largest(const std::vector<float>& x) {
  double most = 0;
  for (const float value : x)
    most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

// The largest Euclidean norm of a row of D.
inline double largest_norm(const std::vector<float>& x, int64_t D) {
  double most = 0;
  for (size_t row = 0; row < x.size(); row += static_cast<size_t>(D)) {
    double square = 0;
    for (size_t d = row; d < row + static_cast<size_t>(D); ++d)
      square += static_cast<double>(x[d]) * static_cast<double>(x[d]);
    most = std::max(most, std::sqrt(square));
  }
  return most;
}

// Bounds on the rounding error of each output, from first-order analysis with u = 2^-24. Rounding
// errors have independent signs, so a sum of n terms errs by about sqrt(n) u times its partial
// sums; the factor 4 covers the tail. The largest error seen is a tenth of its bound.
struct Bounds {
  double out, log_sum_exp, dq, dk, dv;

  explicit Bounds(const Case& c) {
    const AttentionShape& s = c.shape;
    const double D = static_cast<double>(s.D), S = static_cast<double>(s.S);
    const double scale = static_cast<double>(s.scale), group = static_cast<double>(s.H / s.K);
    const double kept = 1 / (1 - static_cast<double>(s.dropout));
    const double depth = 4 * (std::sqrt(D) + 2) * kUnit, sums = 4 * (std::sqrt(S) + 4) * kUnit;
    // The partial sums of <q, k> stay near |q| |k| / sqrt(D) each step, |q| |k| at the very most.
    const double size = scale * largest_norm(c.q, s.D) * largest_norm(c.k, s.D);
    const double score = depth * size / std::sqrt(D);
    // exp(score - log_sum_exp): the errors of both, their subtraction, and the exponential.
    const double probability = 2 * score + 2 * kUnit * size + sums;
    log_sum_exp = probability + kUnit * (size + std::log(S) + 1);
    out = (probability + sums) * largest(c.v) * kept;
    // dscore = p (dp - dot); of independent random vectors both stay near `wide`.
    const double wide = largest_norm(c.dout, s.D) * largest_norm(c.v, s.D) * kept / std::sqrt(D);
    const double dscore = 2 * scale * wide * (probability + depth);
    dq = (dscore + sums * wide * scale) * largest(c.k);
    // Of random queries, key s gets 1/(s+1) + 1/(s+2) + ...: at most log T + 1 for the first.
    const double column = (std::log(static_cast<double>(s.T)) + 1) * group;
    dk = column * (dscore + sums * wide * scale) * largest(c.q);
    dv = column * (probability + sums) * largest(c.dout) * kept;
  }
};

struct Expected {
  std::vector<double> out, log_sum_exp;
  reference::AttentionGradients g;

  explicit Expected(const Case& c) {
    const auto a = c.reference();
    const auto q = widen(c.q), k = widen(c.k), v = widen(c.v);
    out = reference::attention_forward(a, q, k, v, &log_sum_exp);
    if (c.shape.S == c.shape.T) g = reference::attention_backward(a, q, k, v, widen(c.dout));
  }
};

inline void expect_close(const Results& r, const Expected& e, const Bounds& bounds) {
  EXPECT_TRUE(all_close(r.out, e.out, bounds.out, 0));
  EXPECT_TRUE(all_close(r.log_sum_exp, e.log_sum_exp, bounds.log_sum_exp, 0));
  EXPECT_TRUE(all_close(r.dq, e.g.dq, bounds.dq, 0));
  EXPECT_TRUE(all_close(r.dk, e.g.dk, bounds.dk, 0));
  EXPECT_TRUE(all_close(r.dv, e.g.dv, bounds.dv, 0));
}

inline void expect_matches_reference(const Case& c) {
  const AttentionShape& s = c.shape;
  SCOPED_TRACE(fmt::format("B={} T={} S={} H={} K={} D={} dropout={}", s.B, s.T, s.S, s.H, s.K, s.D,
                           s.dropout));
  const Expected expected(c);
  const Bounds bounds(c);
  ThreadPool pool(2);
  testing::for_each_table([&](const kernels::Table& table) {
    expect_close(run({pool, table}, c), expected, bounds);
  });
}

}  // namespace cllm::ops
