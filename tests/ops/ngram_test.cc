#include "ops/ngram.h"

#include <gtest/gtest.h>

#include <set>

#include "reference/ngram.h"
#include "testing_storage.h"
#include "testing_tables.h"

namespace cllm::ops {
namespace {

TEST(NgramRows, AreTheNumberOfTheNgramModuloTheTable) {
  constexpr size_t kT = 40;
  for (const int64_t V : {2, 65, 50257}) {
    const auto tokens = testing::random_tokens(kT, static_cast<int32_t>(V), 3);
    for (const int order : {1, 2, 3, 4})
      for (const int64_t rows : {1, 97, 16381, 1 << 24}) {
        if (order == 4 && V == 50257) continue;  // the number itself would not fit
        std::vector<int32_t> got(kT);
        ngram_rows({order, rows}, V, {}, tokens, got.data());
        for (size_t t = 0; t < kT; ++t)
          EXPECT_EQ(static_cast<uint64_t>(got[t]),
                    reference::ngram_number(kT, static_cast<uint64_t>(V),
                                            static_cast<size_t>(order), tokens, t) %
                        static_cast<uint64_t>(rows));
      }
  }
}

TEST(NgramRows, ContinueAfterAHistoryAsInOnePiece) {
  const auto tokens = testing::random_tokens(12, 100, 5);
  for (const int order : {2, 3, 4}) {
    std::vector<int32_t> whole(12), parts(12);
    ngram_rows({order, 1009}, 100, {}, tokens, whole.data());
    size_t done = 0;
    for (const size_t part : {1, 1, 2, 5, 3}) {
      const std::span<const int32_t> all(tokens);
      const std::span<const int32_t> history = all.first(done).last(std::min<size_t>(done, 3));
      ngram_rows({order, 1009}, 100, history, all.subspan(done, part), parts.data() + done);
      done += part;
    }
    EXPECT_EQ(parts, whole);
  }
}

// All 13^3 trigrams of 12 tokens and "before the text" have a pair of rows of their own in tables
// of 43 and 53 rows, although neither table has room for all.
TEST(NgramRows, CoprimeTablesTellNgramsApart) {
  std::set<std::pair<int32_t, int32_t>> pairs;
  for (int32_t a = 0; a < 12; ++a)
    for (int32_t b = 0; b < 12; ++b)
      for (int32_t c = 0; c < 12; ++c) {
        const std::vector<int32_t> tokens = {a, b, c};
        int32_t rows[2][3];
        ngram_rows({3, 43}, 12, {}, tokens, rows[0]);
        ngram_rows({3, 53}, 12, {}, tokens, rows[1]);
        EXPECT_TRUE(pairs.emplace(rows[0][2], rows[1][2]).second);
      }
}

template <class S>
class SumTableRows : public ::testing::Test {};
TYPED_TEST_SUITE(SumTableRows, testing::Storages);

TYPED_TEST(SumTableRows, AddsInOrderAndRoundsOnce) {
  using S = TypeParam;
  constexpr int64_t kN = 37, kC = 21;
  const auto a = testing::random_vector(5 * kC, 1), b = testing::random_vector(7 * kC, 2);
  const auto in_a = testing::random_tokens(kN, 5, 3), in_b = testing::random_tokens(kN, 7, 4);
  ThreadPool pool(3);
  testing::for_each_table([&](const kernels::Table& table) {
    std::vector<S> x(kN * kC), expected(kN * kC);
    const float* const tables[] = {a.data(), b.data(), a.data()};
    const int32_t* const rows[] = {in_a.data(), in_b.data(), in_a.data()};
    sum_table_rows({pool, table}, kN, kC, tables, rows, x.data());
    std::vector<float> sums;
    for (size_t n = 0; n < kN; ++n)
      for (size_t c = 0; c < kC; ++c) {
        const float one = a[static_cast<size_t>(in_a[n]) * kC + c];
        sums.push_back(one + b[static_cast<size_t>(in_b[n]) * kC + c] + one);
      }
    expected = testing::stored<S>(sums);
    EXPECT_TRUE(testing::same_bits(testing::floats_of(x), testing::floats_of(expected)));
  });
}

}  // namespace
}  // namespace cllm::ops
