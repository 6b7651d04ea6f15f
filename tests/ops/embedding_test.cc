#include "ops/embedding.h"

#include <gtest/gtest.h>

#include "reference/embedding.h"
#include "testing_bounds.h"

namespace cllm::ops {
namespace {

using namespace cllm::testing;

struct Case {
  size_t B, T, C, V;
  std::vector<int32_t> tokens;
  std::vector<float> token_table, position_table, dx;
  Case(size_t b, size_t t, size_t c, size_t v)
      : B(b),
        T(t),
        C(c),
        V(v),
        tokens(random_tokens(b * t, static_cast<int32_t>(v), 1)),
        token_table(random_vector(v * c, 2)),
        position_table(random_vector((t + 1) * c, 3)),
        dx(random_vector(b * t * c, 4)) {
    // One token far more frequent than the others, as a space is.
    for (size_t n = 0; n < tokens.size(); n += 3)
      tokens[n] = static_cast<int32_t>(v / 2);
  }
};

struct Result {
  std::vector<float> x, dtokens, dpositions;
};

Result run(const Context& context, const Case& c, bool positions, bool sorted = false) {
  Result r;
  r.x.resize(c.dx.size());
  r.dtokens.assign(c.token_table.size(), 1.0f);
  r.dpositions.assign(c.position_table.size(), 2.0f);
  const auto N = static_cast<int64_t>(c.B * c.T), T = static_cast<int64_t>(c.T),
             C = static_cast<int64_t>(c.C);
  std::vector<uint64_t> keys(c.tokens.size());
  if (sorted) sort_tokens(context, N, c.tokens.data(), keys.data());
  const uint64_t* const order = sorted ? keys.data() : nullptr;
  embedding_forward(context, N, T, C, c.tokens.data(), c.token_table.data(),
                    positions ? c.position_table.data() : nullptr, r.x.data(), order);
  embedding_backward(context, N, T, C, c.tokens.data(), c.dx.data(), r.dtokens.data(),
                     positions ? r.dpositions.data() : nullptr, order);
  return r;
}

// The forward is one addition. A gradient row is a chain of at most N additions, so its error stays
// below N units of the sum of magnitudes; the sums here are random walks, far below it.
TEST(Embedding, ForwardAndBackwardMatchTheReference) {
  const Case c(5, 9, 7, 6);
  const auto ztokens = widen<Complex>(c.token_table), zpositions = widen<Complex>(c.position_table);
  const auto with = [&](const auto& table, const auto& position) {
    return inner_product(c.dx, reference::embedding(c.T, c.C, c.tokens, table, position));
  };
  auto dtokens =
      complex_step_gradient(c.token_table, [&](const auto& z) { return with(z, zpositions); });
  auto dpositions =
      complex_step_gradient(c.position_table, [&](const auto& z) { return with(ztokens, z); });
  for (double& value : dtokens)
    value += 1;
  for (double& value : dpositions)
    value += 2;
  const double tolerance = static_cast<double>(c.B * c.T) * kUnit * (2 + 4 * largest(c.dx));
  for_each_context([&](const Context& context) {
    for (const bool positions : {true, false}) {
      const auto x =
          reference::embedding(c.T, c.C, c.tokens, widen(c.token_table),
                               positions ? widen(c.position_table) : std::vector<double>{});
      const Result r = run(context, c, positions);
      EXPECT_TRUE(all_close(r.x, x, 0, kUnit));
      EXPECT_TRUE(all_close(r.dtokens, dtokens, tolerance, 0));
      if (positions) {
        EXPECT_TRUE(all_close(r.dpositions, dpositions, tolerance, 0));
      }
    }
  });
}

// However the columns are cut.
TEST(Embedding, BackwardCountsEveryRowOnce) {
  for (const size_t V : {1, 2, 3, 50, 400}) {
    Case c(7, 61, 70, V);
    std::fill(c.dx.begin(), c.dx.end(), 1.0f);
    std::vector<double> expected(V * c.C, 1.0);
    for (const int32_t token : c.tokens)
      for (size_t i = 0; i < c.C; ++i)
        expected[static_cast<size_t>(token) * c.C + i] += 1;
    for_each_context([&](const Context& context) {
      EXPECT_TRUE(all_close(run(context, c, true).dtokens, expected, 0, 0));
    });
  }
}

TEST(Embedding, BitsDoNotDependOnThreads) {
  for (const Case& c :
       {Case(0, 4, 5, 3), Case(1, 1, 1, 1), Case(12, 64, 130, 65), Case(3, 50, 16, 1000)}) {
    expect_same_bits_for_threads([&](const Context& context) {
      Result r = run(context, c, true);
      r.x.insert(r.x.end(), r.dtokens.begin(), r.dtokens.end());
      r.x.insert(r.x.end(), r.dpositions.begin(), r.dpositions.end());
      return r.x;
    });
  }
}

TEST(Embedding, SortedTokensGiveTheSameBits) {
  for (const Case& c : {Case(0, 4, 5, 3), Case(1, 1, 1, 1), Case(7, 61, 70, 1), Case(7, 61, 70, 50),
                        Case(12, 64, 130, 65), Case(3, 50, 16, 1000)}) {
    for_each_context([&](const Context& context) {
      const Result sorted = run(context, c, true, true), as_they_come = run(context, c, true);
      EXPECT_TRUE(same_bits(sorted.x, as_they_come.x));
      EXPECT_TRUE(same_bits(sorted.dtokens, as_they_come.dtokens));
      EXPECT_TRUE(same_bits(sorted.dpositions, as_they_come.dpositions));
    });
  }
}

TEST(SortTokens, OrdersByTokenThenPlace) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  const std::vector<int32_t> tokens = {7, 0, 7, 2147483647, 0};
  std::vector<uint64_t> keys(tokens.size());
  sort_tokens(context, std::ssize(tokens), tokens.data(), keys.data());
  const auto key = [](uint64_t token, uint64_t place) { return token << 32 | place; };
  EXPECT_EQ(keys, (std::vector{key(0, 1), key(0, 4), key(7, 0), key(7, 2), key(2147483647, 3)}));
}

}  // namespace
}  // namespace cllm::ops
