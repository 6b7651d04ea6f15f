#include "ops/composite.h"

#include <gtest/gtest.h>

#include <set>

#include "kernels/stored_weights.h"
#include "reference/composite.h"
#include "reference/embedding.h"
#include "testing_bounds.h"
#include "testing_storage.h"

namespace cllm::ops {
namespace {

using namespace cllm::testing;

// Codes of V tokens drawn by lot, up to `most` pieces of K.
struct RandomCodes {
  RandomCodes(int64_t V, int64_t K, int64_t most) {
    PhiloxSequence source(Philox(6, RandomStream::kTest), 0);
    for (int64_t token = 0; token < V; ++token) {
      const auto count = 1 + source.below(static_cast<uint64_t>(most));
      std::set<int32_t> code;
      while (code.size() < count)
        code.insert(static_cast<int32_t>(source.below(static_cast<uint64_t>(K))));
      pieces.insert(pieces.end(), code.begin(), code.end());
      offsets.push_back(static_cast<int32_t>(pieces.size()));
      scales.push_back(0.5f + static_cast<float>(source.uniform()));
    }
    codes = {V, K, offsets.data(), pieces.data(), scales.data(), most};
  }
  RandomCodes(const RandomCodes&) = delete;
  RandomCodes& operator=(const RandomCodes&) = delete;
  std::vector<int32_t> offsets = {0}, pieces;
  std::vector<float> scales;
  Codes codes;
};

// Enough for sums of at most `terms` numbers, each times a scale below 2.
double bound(size_t terms, const std::vector<float>& values) {
  const auto n = static_cast<double>(terms);
  return (n + 3) * kUnit * 2 * n * largest(values);
}

struct Case {
  Case(size_t b, size_t t, size_t c, int64_t V, int64_t K)
      : B(b),
        T(t),
        C(c),
        own(V, K, std::min<int64_t>(5, K)),
        codes(own.codes),
        tokens(random_tokens(b * t, static_cast<int32_t>(V), 1)),
        table(random_vector(static_cast<size_t>(K) * c, 2)),
        positions(random_vector(t * c, 3)),
        dx(random_vector(b * t * c, 4)) {}
  size_t B, T, C;
  RandomCodes own;
  Codes codes;
  std::vector<int32_t> tokens;
  std::vector<float> table, positions, dx;

  std::vector<float> forward(const Context& context, bool with_positions) const {
    std::vector<float> x(dx.size(), NAN);
    composite_forward(context, static_cast<int64_t>(B * T), static_cast<int64_t>(T),
                      static_cast<int64_t>(C), tokens.data(), codes, table.data(),
                      with_positions ? positions.data() : nullptr, x.data());
    return x;
  }
  std::vector<float> backward(const Context& context) const {
    std::vector<float> dtable(table.size(), 1.0f);
    const auto N = static_cast<int64_t>(B * T);
    composite_backward(context, N, static_cast<int64_t>(C), tokens.data(), codes, dx.data(),
                       dtable.data());
    return dtable;
  }
};

TEST(Composite, ForwardAndBackwardMatchTheReference) {
  // Columns beyond one block of the sums.
  for (const size_t C : {7, 300}) {
    const Case c(5, 29, C, 40, 11);
    const auto truth = [&](const auto& table, const auto& positions) {
      return reference::embedding(c.T, c.C, c.tokens, reference::composite(c.codes, c.C, table),
                                  positions);
    };
    std::vector<double> gradient(c.table.size(), 1.0);  // dtable = 1 + S^T (rows by token)
    const std::vector<double> s = reference::code_matrix(c.codes);
    for (size_t n = 0; n < c.tokens.size(); ++n)
      for (size_t piece = 0; piece < 11; ++piece)
        for (size_t i = 0; i < C; ++i)
          gradient[piece * C + i] += s[static_cast<size_t>(c.tokens[n]) * 11 + piece] *
                                     static_cast<double>(c.dx[n * C + i]);
    for_each_context([&](const Context& context) {
      EXPECT_TRUE(all_close(c.forward(context, true), truth(widen(c.table), widen(c.positions)),
                            bound(6, c.table), 0));
      EXPECT_TRUE(all_close(c.forward(context, false), truth(widen(c.table), std::vector<double>{}),
                            bound(6, c.table), 0));
      EXPECT_TRUE(all_close(c.backward(context), gradient, bound(c.tokens.size(), c.dx), 0));
    });
  }
}

TEST(Composite, BackwardCountsEveryPieceOnce) {
  for (const int64_t K : {1, 2, 30, 500}) {
    Case c(7, 61, 70, 50, K);
    std::fill(c.dx.begin(), c.dx.end(), 1.0f);
    std::fill(c.own.scales.begin(), c.own.scales.end(), 1.0f);
    std::vector<double> expected(c.table.size(), 1.0);
    for (const int32_t token : c.tokens)
      for (int32_t i = c.codes.offsets[token]; i < c.codes.offsets[token + 1]; ++i)
        for (size_t column = 0; column < c.C; ++column)
          expected[static_cast<size_t>(c.codes.pieces[i]) * c.C + column] += 1;
    for_each_context([&](const Context& context) {
      EXPECT_TRUE(all_close(c.backward(context), expected, 0, 0));
    });
  }
}

struct Logits {
  std::vector<float> logits, du;
};

Logits run_logits(const Context& context, const Codes& codes, int64_t N,
                  const std::vector<float>& u, const std::vector<float>& dlogits) {
  Logits r{std::vector<float>(dlogits.size(), NAN), std::vector<float>(u.size(), NAN)};
  std::vector<float> scratch(static_cast<size_t>(composite_logits_scratch(context, codes)), NAN);
  composite_logits(context, N, codes, u.data(), r.logits.data(), scratch.data());
  composite_logits_backward(context, N, codes, dlogits.data(), r.du.data(), scratch.data());
  return r;
}

TEST(Composite, LogitsAndTheirGradientMatchTheReference) {
  // More tokens than a task has, more pieces than are turned at a time; rows around a block.
  for (const auto& sizes : {std::pair<int64_t, int64_t>{5000, 200}, {1, 1}, {65, 3}})
    for (const int64_t N : {1, 15, 16, 17, 40}) {
      const int64_t V = sizes.first, K = sizes.second;
      const RandomCodes own(V, K, std::min<int64_t>(5, K));
      const auto rows = static_cast<size_t>(N), v = static_cast<size_t>(V),
                 k = static_cast<size_t>(K);
      const std::vector<float> u = random_vector(rows * k, 1), dlogits = random_vector(rows * v, 2);
      const std::vector<double> s = reference::code_matrix(own.codes);
      std::vector<double> logits(rows * v), du(rows * k);
      std::vector<size_t> uses(k);
      for (const int32_t piece : own.pieces)
        ++uses[static_cast<size_t>(piece)];
      const size_t terms = *std::max_element(uses.begin(), uses.end());
      for (size_t n = 0; n < rows; ++n)
        for (size_t token = 0; token < v; ++token)
          for (int32_t i = own.offsets[token]; i < own.offsets[token + 1]; ++i) {
            const auto piece = static_cast<size_t>(own.pieces[static_cast<size_t>(i)]);
            logits[n * v + token] += s[token * k + piece] * static_cast<double>(u[n * k + piece]);
            du[n * k + piece] += s[token * k + piece] * static_cast<double>(dlogits[n * v + token]);
          }
      for_each_table([&](const kernels::Table& table) {
        ThreadPool pool(3);
        const Logits r = run_logits({pool, table}, own.codes, N, u, dlogits);
        EXPECT_TRUE(all_close(r.logits, logits, bound(5, u), 0)) << V << " tokens, " << N;
        EXPECT_TRUE(all_close(r.du, du, bound(terms, dlogits), 0)) << V << " tokens, " << N;
      });
    }
}

// So that a sequence in a batch gets what it gets alone.
TEST(Composite, ARowOfLogitsDoesNotDependOnTheOthers) {
  const RandomCodes own(300, 20, 5);
  const std::vector<float> u = random_vector(18 * 20, 1), dlogits = random_vector(18 * 300, 2);
  for_each_table([&](const kernels::Table& table) {
    ThreadPool pool(2);
    const Context context{pool, table};
    const Logits all = run_logits(context, own.codes, 18, u, dlogits);
    for (int64_t n = 0; n < 18; ++n) {
      const auto row = [&](const std::vector<float>& values, int64_t width) {
        return std::vector<float>(values.begin() + n * width, values.begin() + (n + 1) * width);
      };
      const Logits one = run_logits(context, own.codes, 1, row(u, 20), row(dlogits, 300));
      EXPECT_TRUE(same_bits(one.logits, row(all.logits, 300)));
      EXPECT_TRUE(same_bits(one.du, row(all.du, 20)));
    }
  });
}

TEST(Composite, BitsDoNotDependOnThreads) {
  const Case c(3, 50, 130, 200, 30);
  const RandomCodes own(9000, 40, 5);
  const std::vector<float> u = random_vector(70 * 40, 1), dlogits = random_vector(70 * 9000, 2);
  expect_same_bits_for_threads([&](const Context& context) {
    std::vector<float> all = c.forward(context, true);
    const Logits r = run_logits(context, own.codes, 70, u, dlogits);
    for (const std::vector<float>& part : {c.backward(context), r.logits, r.du})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  });
}

// The 16-bit forms are the fp32 ones of rounded operands, rounded once.
template <class S>
class CompositeStorage : public ::testing::Test {};
using Halves = ::testing::Types<kernels::Bf16, kernels::Fp16>;
TYPED_TEST_SUITE(CompositeStorage, Halves);

TYPED_TEST(CompositeStorage, RoundsOnce) {
  using S = TypeParam;
  for_each_table([](const kernels::Table& table) {
    ThreadPool pool(2);
    const Context context{pool, table};
    const auto& rows = context.kernels.of<S>().rows;
    const auto narrow = [&](const std::vector<float>& values) {
      std::vector<S> out(values.size());
      rows.narrow(std::ssize(values), values.data(), out.data());
      return out;
    };
    const auto widened = [&](const std::vector<S>& values) {
      std::vector<float> out(values.size());
      rows.widen(std::ssize(values), values.data(), out.data());
      return out;
    };
    Case c(3, 7, 20, 30, 9);
    std::vector<S> x(c.dx.size());
    composite_forward(context, 21, 7, 20, c.tokens.data(), c.codes, c.table.data(),
                      c.positions.data(), x.data());
    EXPECT_TRUE(same_bits(widened(x), widened(narrow(c.forward(context, true)))));
    const std::vector<S> dx = narrow(c.dx);
    c.dx = widened(dx);
    std::vector<float> dtable(c.table.size(), 1.0f);
    composite_backward(context, 21, 20, c.tokens.data(), c.codes, dx.data(), dtable.data());
    EXPECT_TRUE(same_bits(dtable, c.backward(context)));

    const std::vector<S> u = narrow(random_vector(17 * 9, 1));
    const std::vector<S> dlogits = narrow(random_vector(17 * 30, 2));
    const Logits exact = run_logits(context, c.codes, 17, widened(u), widened(dlogits));
    std::vector<S> logits(dlogits.size()), du(u.size());
    std::vector<float> sums(static_cast<size_t>(composite_logits_scratch(context, c.codes)));
    composite_logits(context, 17, c.codes, u.data(), logits.data(), sums.data());
    composite_logits_backward(context, 17, c.codes, dlogits.data(), du.data(), sums.data());
    EXPECT_TRUE(same_bits(widened(logits), widened(narrow(exact.logits))));
    EXPECT_TRUE(same_bits(widened(du), widened(narrow(exact.du))));
  });
}

// Generation reads what it holds: fp32 as training does, other types what they expand to.
TEST(Composite, GatherReadsEveryWeightType) {
  const Case c(1, 12, 33, 40, 11);
  for_each_table([&](const kernels::Table& table) {
    ThreadPool pool(2);
    const Context context{pool, table};
    for (const WeightType type : kWeightTypes) {
      std::vector<unsigned char> data(c.table.size() * 4);
      std::vector<float> scale(11), seen(c.table.size()), x(c.dx.size(), NAN);
      const DecodeMatrix matrix =
          store_matrix(context, type, 11, 33, c.table.data(), data.data(), scale.data());
      expand(context, matrix, seen.data());
      composite_gather(context, c.tokens, c.codes, matrix, x.data());
      std::vector<float> expected(c.dx.size());
      composite_forward(context, 12, 12, 33, c.tokens.data(), c.codes, seen.data(), nullptr,
                        expected.data());
      EXPECT_TRUE(all_close(x, widen(expected), bound(6, c.table), 0)) << static_cast<int>(type);
      if (type == WeightType::kFp32) {
        EXPECT_TRUE(same_bits(x, expected));
      }
    }
  });
}

}  // namespace
}  // namespace cllm::ops
