// Attention where its rows lie otherwise than one after another, and cut otherwise: other thread
// counts, one fused buffer, a cache read token by token.
#include <gtest/gtest.h>

#include "ops/attention_problem.h"

namespace cllm::ops {
namespace {

using testing::same_bits;

TEST(Attention, BitsDoNotDependOnThreads) {
  for (const Case& c : {Case(3, 130, 130, 4, 2, 20), Case(1, 200, 200, 3, 1, 33),
                        Case(2, 67, 67, 2, 2, 16, 0.2f), Case(1, 1, 100, 5, 5, 16)})
    testing::expect_same_bits_for_threads(
        [&](const Context& context) { return run(context, c).all(); });
}

// Rows of [q | k | v], token by token.
std::vector<float> fused_rows(const Case& c) {
  const AttentionShape& s = c.shape;
  std::vector<float> fused;
  for (int64_t n = 0; n < s.B * s.T; ++n)
    for (const auto& [x, heads] : {std::pair(&c.q, s.H), {&c.k, s.K}, {&c.v, s.K}})
      fused.insert(fused.end(), x->begin() + n * heads * s.D, x->begin() + (n + 1) * heads * s.D);
  return fused;
}

TEST(Attention, HeadsInsideOneFusedBufferAndPaddedOutputs) {
  const Case c(2, 70, 70, 4, 2, 12);
  const AttentionShape& s = c.shape;
  const int64_t width = (s.H + 2 * s.K) * s.D, padded = s.H * s.D + 5;
  const auto tokens = static_cast<size_t>(s.B * s.T);
  const std::vector<float> fused = fused_rows(c);
  std::vector<float> dfused(fused.size(), 7), out(tokens * static_cast<size_t>(padded), 7);
  const int64_t at_k = s.H * s.D, at_v = at_k + s.K * s.D;
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

}  // namespace
}  // namespace cllm::ops
