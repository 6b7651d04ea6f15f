#include "number/signature_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "number/number_testing.h"
#include "threads/pool.h"

namespace cllm::number {
namespace {

// `count` random sets of `bits` bits, half of them full, the same for the same arguments.
std::vector<Signature> random_rows(size_t bits, size_t count) {
  std::vector<Signature> rows(count, Signature(bits));
  for (size_t row = 0; row < count; ++row)
    for (size_t w = 0; w < rows[row].words().size(); ++w) {
      const size_t left = bits - 64 * w;
      rows[row].words()[w] =
          random_word(1, row * 1000 + w) & (left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1);
    }
  return rows;
}

SignatureTable table_of(const std::vector<Signature>& rows, size_t bits) {
  SignatureTable table(bits);
  for (const Signature& row : rows)
    table.add(row);
  return table;
}

TEST(SignatureTable, ScanCountsWhatEachPairShares) {
  for (const size_t bits : {1u, 15u, 64u, 65u, 128u, 512u, 2048u, 4100u})
    for (const size_t count : {0u, 1u, 7u, 8u, 9u, 100u}) {
      const std::vector<Signature> rows = random_rows(bits, count);
      const Signature query = random_rows(bits, 200).back();
      const SignatureTable table = table_of(rows, bits);
      ASSERT_EQ(table.rows(), static_cast<int64_t>(count));
      std::vector<uint32_t> shared(count);
      table.scan(query, shared);
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(shared[i], shared_weight(query, rows[i])) << bits << " bits, row " << i;
        ASSERT_EQ(table.row(static_cast<int64_t>(i)), rows[i]);
      }
    }
}

TEST(SignatureTable, PlanesAreTheBitsOfTheQueryIntegers) {
  constexpr size_t kBits = 130, kPlanes = 5;
  const std::vector<Signature> rows = random_rows(kBits, 9001);
  const std::vector<Signature> planes = random_rows(kBits, 100 + kPlanes);
  const SignatureTable table = table_of(rows, kBits);
  for (int threads = 0; threads <= 3; ++threads) {
    const auto pool = threads == 0 ? nullptr : std::make_unique<ThreadPool>(threads);
    std::vector<uint32_t> sums(rows.size());
    table.scan_planes(std::span(planes).last(kPlanes), sums, pool.get());
    for (size_t i = 0; i < rows.size(); ++i) {
      uint32_t sum = 0;
      for (size_t k = 0; k < kPlanes; ++k)
        sum += shared_weight(planes[100 + k], rows[i]) << k;
      ASSERT_EQ(sums[i], sum) << "row " << i;
    }
  }
}

TEST(SignatureTable, TopIsTheSortedScanForAnyThreads) {
  constexpr size_t kBits = 70, kRows = 20000;  // few values: many ties
  const std::vector<Signature> rows = random_rows(kBits, kRows);
  const SignatureTable table = table_of(rows, kBits);
  const Signature& query = rows[4321];
  std::vector<SignatureMatch> expected;
  for (size_t i = 0; i < kRows; ++i)
    expected.push_back({static_cast<int64_t>(i), shared_weight(query, rows[i])});
  std::stable_sort(expected.begin(), expected.end(),
                   [](const auto& a, const auto& b) { return a.shared > b.shared; });
  for (int threads = 0; threads <= 3; ++threads) {
    const auto pool = threads == 0 ? nullptr : std::make_unique<ThreadPool>(threads);
    for (const size_t count : {size_t{1}, size_t{10}, size_t{1000}, kRows, kRows + 5}) {
      const auto last = expected.begin() + static_cast<ptrdiff_t>(std::min(count, kRows));
      EXPECT_EQ(table.top(query, count, pool.get()),
                std::vector<SignatureMatch>(expected.begin(), last));
    }
    std::vector<uint32_t> shared(kRows);
    table.scan(query, shared, pool.get());
    for (const SignatureMatch& match : expected)
      ASSERT_EQ(shared[static_cast<size_t>(match.row)], match.shared);
  }
  EXPECT_TRUE(table.top(query, 0).empty());
  EXPECT_TRUE(SignatureTable(kBits).top(query, 3).empty());
}

TEST(SignatureTable, RowsMayComeInPieces) {
  constexpr size_t kBits = 130;
  const std::vector<Signature> rows = random_rows(kBits, 50);
  SignatureTable pieces(kBits);
  for (size_t begin = 0; begin < 50; begin += 3) {
    std::vector<uint64_t> words;
    for (size_t i = begin; i < std::min<size_t>(begin + 3, 50); ++i)
      words.insert(words.end(), rows[i].words().begin(), rows[i].words().end());
    pieces.add_rows(words);
  }
  ASSERT_EQ(pieces.rows(), 50);
  for (int64_t i = 0; i < 50; ++i)
    EXPECT_EQ(pieces.row(i), rows[static_cast<size_t>(i)]);
}

TEST(SignatureTable, RefusesEmptyAndHugeRows) {
  expect_error([] { SignatureTable(0); }, ErrorKind::kUsage, "0 bits");
  expect_error([] { SignatureTable(size_t{1} << 40); }, ErrorKind::kUsage, "bits");
}

}  // namespace
}  // namespace cllm::number
