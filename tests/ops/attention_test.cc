#include "ops/attention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reference/attention.h"
#include "reference/elementwise.h"
#include "testing.h"
#include "testing_tables.h"

namespace cllm::ops {
namespace {

using testing::all_close;
using testing::Complex;
using testing::kUnit;
using testing::random_vector;
using testing::same_bits;
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

ConstHeadRows rows(const std::vector<float>& x, int64_t heads, int64_t D) {
  return {x.data(), heads * D, 0};
}
HeadRows rows(std::vector<float>& x, int64_t heads, int64_t D) {
  return {x.data(), heads * D, 0};
}

// Outputs start as NaN: whatever is not overwritten fails.
Results run(const Context& context, const Case& c) {
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

double largest(const std::vector<float>& x) {
  double most = 0;
  for (const float value : x)
    most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

// The largest Euclidean norm of a row of D.
double largest_norm(const std::vector<float>& x, int64_t D) {
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

void expect_close(const Results& r, const Expected& e, const Bounds& bounds) {
  EXPECT_TRUE(all_close(r.out, e.out, bounds.out, 0));
  EXPECT_TRUE(all_close(r.log_sum_exp, e.log_sum_exp, bounds.log_sum_exp, 0));
  EXPECT_TRUE(all_close(r.dq, e.g.dq, bounds.dq, 0));
  EXPECT_TRUE(all_close(r.dk, e.g.dk, bounds.dk, 0));
  EXPECT_TRUE(all_close(r.dv, e.g.dv, bounds.dv, 0));
}

void expect_matches_reference(const Case& c) {
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

TEST(AttentionReference, BackwardIsTheComplexStepOfForward) {
  for (const float dropout : {0.0f, 0.3f}) {
    const Case c(2, 5, 5, 4, 2, 3, dropout);
    const auto a = c.reference();
    const auto g =
        reference::attention_backward(a, widen(c.q), widen(c.k), widen(c.v), widen(c.dout));
    const auto q = widen<Complex>(c.q), k = widen<Complex>(c.k), v = widen<Complex>(c.v);
    const auto loss = [&](const auto& x, const auto& y, const auto& z) {
      return testing::inner_product(c.dout, reference::attention_forward(a, x, y, z));
    };
    const auto by_q = testing::complex_step_gradient(c.q, [&](auto& x) { return loss(x, k, v); });
    const auto by_k = testing::complex_step_gradient(c.k, [&](auto& x) { return loss(q, x, v); });
    const auto by_v = testing::complex_step_gradient(c.v, [&](auto& x) { return loss(q, k, x); });
    // Double rounding on sums of about 20 terms of size 1 to 10.
    EXPECT_TRUE(all_close(g.dq, by_q, 1e-13, 1e-13));
    EXPECT_TRUE(all_close(g.dk, by_k, 1e-13, 1e-13));
    EXPECT_TRUE(all_close(g.dv, by_v, 1e-13, 1e-13));
  }
}

TEST(Attention, MatchesReferenceForLengthsAroundTiles) {
  for (const int64_t T : {1, 2, 3, 4, 15, 16, 17, 63, 64, 65, 130})
    expect_matches_reference(Case(2, T, T, 2, 2, 16));
}

TEST(Attention, MatchesReferenceForEveryHeadSize) {
  for (const int64_t D : {1, 2, 3, 5, 8, 15, 17, 31, 32, 33, 48, 64, 80, 96, 100, 128, 255, 256})
    expect_matches_reference(Case(1, 70, 70, 4, 4, D));
}

TEST(Attention, MatchesReferenceWithGroupedHeads) {
  expect_matches_reference(Case(1, 100, 100, 8, 2, 24));  // few pairs: cut by block
  expect_matches_reference(Case(1, 200, 200, 3, 1, 8));   // and an even number of blocks
  expect_matches_reference(Case(2, 100, 100, 8, 2, 24));  // many pairs: cut by head
  expect_matches_reference(Case(3, 40, 40, 6, 3, 7));
}

TEST(Attention, MatchesReferenceWithMoreKeysThanQueries) {
  for (const int64_t T : {1, 2, 3, 4, 20, 65})
    for (const int64_t S : {65, 70, 128, 129, 300})
      expect_matches_reference(Case(2, T, S, 4, 2, 20));
}

TEST(Attention, MatchesReferenceWithDropout) {
  for (const int64_t T : {1, 2, 17, 64, 67, 130})
    expect_matches_reference(Case(2, T, T, 4, 2, 16, 0.25f));
  expect_matches_reference(Case(1, 130, 130, 2, 1, 16, 0.5f));
  expect_matches_reference(Case(1, 3, 50, 2, 2, 16, 0.5f));
}

TEST(Attention, VerifierRejectsSmallMistakes) {
  const Case c(1, 70, 70, 2, 2, 32);
  ThreadPool pool(1);
  const Results r = run({pool, kernels::chosen_table()}, c);
  const Bounds bounds(c);
  Expected shifted(c);
  for (double& x : shifted.g.dk)
    x *= 1.01;
  EXPECT_FALSE(all_close(r.dk, shifted.g.dk, bounds.dk, 0));
  Case scaled = c;
  scaled.shape.scale *= 1.001f;
  const Expected wrong(scaled);
  EXPECT_FALSE(all_close(r.out, wrong.out, bounds.out, 0));
  EXPECT_FALSE(all_close(r.dq, wrong.g.dq, bounds.dq, 0));
  Case unmasked(1, 70, 71, 2, 2, 32);  // every query sees one key too many
  std::copy(c.k.begin(), c.k.end(), unmasked.k.begin());
  std::copy(c.v.begin(), c.v.end(), unmasked.v.begin());
  EXPECT_FALSE(all_close(r.out, Expected(unmasked).out, bounds.out, 0));
  Case other_mask(1, 70, 70, 2, 2, 32, 0.1f), same_rate = other_mask;
  same_rate.shape.dropout_key.step += 1;
  EXPECT_FALSE(all_close(run({pool, kernels::chosen_table()}, other_mask).out,
                         Expected(same_rate).out, bounds.out, 0));
}

TEST(Attention, BitsDoNotDependOnThreads) {
  for (const Case& c : {Case(3, 130, 130, 4, 2, 20), Case(1, 200, 200, 3, 1, 33),
                        Case(2, 67, 67, 2, 2, 16, 0.2f), Case(1, 1, 100, 5, 5, 16)})
    testing::expect_same_bits_for_threads<Context>(
        [&](const Context& context) { return run(context, c).all(); });
}

// Writes the rows of x, `row` elements each, into rows of `width` elements from `column` on.
void place(const std::vector<float>& x, size_t row, size_t column, size_t width,
           std::vector<float>& into) {
  for (size_t i = 0; i < x.size(); ++i)
    into[i / row * width + column + i % row] = x[i];
}

TEST(Attention, HeadsInsideOneFusedBufferAndPaddedOutputs) {
  const Case c(2, 70, 70, 4, 2, 12);
  const AttentionShape& s = c.shape;
  const int64_t width = (s.H + 2 * s.K) * s.D, padded = s.H * s.D + 5;
  const auto tokens = static_cast<size_t>(s.B * s.T);
  std::vector<float> fused(tokens * static_cast<size_t>(width));
  std::vector<float> dfused(fused.size(), 7), out(tokens * static_cast<size_t>(padded), 7);
  const int64_t at_k = s.H * s.D, at_v = at_k + s.K * s.D;
  const auto columns = static_cast<size_t>(width);
  place(c.q, static_cast<size_t>(s.H * s.D), 0, columns, fused);
  place(c.k, static_cast<size_t>(s.K * s.D), static_cast<size_t>(at_k), columns, fused);
  place(c.v, static_cast<size_t>(s.K * s.D), static_cast<size_t>(at_v), columns, fused);
  ThreadPool pool(2);
  testing::for_each_table([&](const kernels::Table& table) {
    const Context context{pool, table};
    const Results plain = run(context, c);
    Scratch scratch(attention_scratch(context, s));
    std::vector<float> log_sum_exp(plain.log_sum_exp.size());
    const ConstHeadRows q{fused.data(), width, 0}, k{fused.data() + at_k, width, 0},
        v{fused.data() + at_v, width, 0};
    attention_forward(context, s, q, k, v, {out.data(), padded, 0}, log_sum_exp.data(),
                      scratch.data());
    attention_backward(context, s, q, k, v, {out.data(), padded, 0}, log_sum_exp.data(),
                       rows(c.dout, s.H, s.D), {dfused.data(), width, 0},
                       {dfused.data() + at_k, width, 0}, {dfused.data() + at_v, width, 0},
                       scratch.data());
    const auto take = [&](const std::vector<float>& from, int64_t stride, int64_t heads,
                          int64_t column) {
      std::vector<float> x;
      for (size_t n = 0; n < tokens; ++n)
        for (int64_t i = 0; i < heads * s.D; ++i)
          x.push_back(from[n * static_cast<size_t>(stride) + static_cast<size_t>(column + i)]);
      return x;
    };
    EXPECT_TRUE(same_bits(take(out, padded, s.H, 0), plain.out));
    EXPECT_TRUE(same_bits(take(dfused, width, s.H, 0), plain.dq));
    EXPECT_TRUE(same_bits(take(dfused, width, s.K, at_k), plain.dk));
    EXPECT_TRUE(same_bits(take(dfused, width, s.K, at_v), plain.dv));
    for (size_t n = 0; n < tokens; ++n)
      for (int64_t i = s.H * s.D; i < padded; ++i)
        EXPECT_EQ(out[n * static_cast<size_t>(padded) + static_cast<size_t>(i)], 7);
  });
}

// Decoding token by token from a cache longer than what it holds gives the rows of one full pass.
TEST(Attention, DecodingEqualsTheFullPass) {
  const int64_t T = 90, capacity = 128;
  const Case c(2, T, T, 4, 2, 24);
  const AttentionShape& s = c.shape;
  const auto key_width = static_cast<size_t>(s.K * s.D);
  const auto batch = static_cast<size_t>(capacity) * key_width;
  std::vector<float> k_cache(2 * batch), v_cache(2 * batch);
  for (size_t b = 0; b < 2; ++b)
    for (size_t i = 0; i < T * key_width; ++i) {
      k_cache[b * batch + i] = c.k[b * T * key_width + i];
      v_cache[b * batch + i] = c.v[b * T * key_width + i];
    }
  ThreadPool pool(3);
  testing::for_each_table([&](const kernels::Table& table) {
    const Context context{pool, table};
    const Results full = run(context, c);
    std::vector<float> out(full.out.size());
    const int64_t row = s.H * s.D;
    for (int64_t t = 0, step = 1; t < T; t += step) {
      step = t < 30 ? 15 : 1;  // a prompt in two pieces, then single tokens
      AttentionShape shape = s;
      shape.T = step;
      shape.S = t + step;
      Scratch scratch(attention_scratch(context, shape));
      attention_forward(context, shape, {c.q.data() + t * row, row, T * row},
                        {k_cache.data(), s.K * s.D, static_cast<int64_t>(batch)},
                        {v_cache.data(), s.K * s.D, static_cast<int64_t>(batch)},
                        {out.data() + t * row, row, T * row}, nullptr, scratch.data());
    }
    EXPECT_TRUE(all_close(out, widen(full.out), 2 * Bounds(c).out, 0));
  });
}

TEST(Attention, ExtremeScoresGiveTheLimit) {
  ThreadPool pool(1);
  testing::for_each_table([&](const kernels::Table& table) {
    for (const int64_t T : {1, 2, 40, 130})
      for (const float size : {1e4f, -1e4f, 0.0f}) {
        Case c(1, T, T, 1, 1, 8);
        c.shape.scale = 1;
        // Scores +-1e4 * (s + 1): huge distances; size 0: all equal, the mean of what is seen.
        for (size_t i = 0; i < c.q.size(); ++i) {
          c.q[i] = i % 8 == 0 ? 1.0f : 0.0f;
          c.k[i] = i % 8 == 0 ? size * static_cast<float>(i / 8 + 1) : 0.0f;
        }
        const Results r = run({pool, table}, c);
        const Expected e(c);
        // exp underflows exactly as the limit asks; what remains is the sum of up to T values.
        const double bound = 4 * (std::sqrt(static_cast<double>(T)) + 16) * kUnit * largest(c.v);
        EXPECT_TRUE(all_close(r.out, e.out, bound, 0));
        EXPECT_TRUE(all_close(r.log_sum_exp, e.log_sum_exp, 1e-6, 2 * kUnit));
        EXPECT_TRUE(all_close(r.dv, e.g.dv, bound * 16, 16 * kUnit));
        for (const float x : r.all())
          EXPECT_TRUE(std::isfinite(x));
      }
  });
}

TEST(Attention, NotANumberReachesTheOutput) {
  ThreadPool pool(1);
  testing::for_each_table([&](const kernels::Table& table) {
    for (const int64_t T : {1, 3, 20, 100}) {
      Case c(1, T, T, 1, 1, 8);
      c.k[static_cast<size_t>(T / 2) * 8] = std::numeric_limits<float>::quiet_NaN();
      const Results r = run({pool, table}, c);
      for (size_t i = 0; i < r.out.size(); ++i)
        EXPECT_EQ(std::isnan(r.out[i]), static_cast<int64_t>(i) / 8 >= T / 2) << i;
      for (size_t i = 0; i < 8; ++i)
        EXPECT_TRUE(std::isnan(r.dv[i]));
    }
  });
}

TEST(AttentionDeathTest, RefusesShapesThatMakeNoSense) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  Case c(1, 4, 4, 3, 3, 4);
  c.shape.K = 2;
  EXPECT_DEATH(run(context, c), "H=3 K=2");
  Case d(1, 4, 6, 1, 1, 4);
  EXPECT_DEATH(
      attention_backward(context, d.shape, {}, {}, {}, {}, nullptr, {}, {}, {}, {}, nullptr),
      "6 vs 4");
}

}  // namespace
}  // namespace cllm::ops
