#include "kernels/signature.h"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "base/philox.h"
#include "testing_tables.h"

namespace cllm::kernels {
namespace {

std::vector<uint64_t> random_words(size_t count, uint64_t stream) {
  const Philox source(7, RandomStream::kTest);
  std::vector<uint64_t> words(count);
  for (size_t i = 0; i < count; ++i) {
    const auto bits = source.bits(stream, i);
    words[i] = uint64_t{bits[0]} << 32 | bits[1];
  }
  return words;
}

// The kernel's result at a misaligned address, with a sentinel behind it.
std::vector<uint32_t> scanned(const Table& table, int64_t blocks, int64_t words,
                              const std::vector<uint64_t>& query,
                              const std::vector<uint64_t>& sets) {
  constexpr uint32_t kSentinel = 0xdeadbeef;
  std::vector<uint32_t> shared(static_cast<size_t>(blocks * kSignatureBlock) + 2, kSentinel);
  table.signature.shared_bits(blocks, words, query.data(), sets.data() + 1, shared.data() + 1);
  EXPECT_EQ(shared.front(), kSentinel);
  EXPECT_EQ(shared.back(), kSentinel);
  return {shared.begin() + 1, shared.end() - 1};
}

TEST(SharedBits, CountsEverySet) {
  testing::for_each_table([](const Table& table) {
    // 31 and 62 words are the most that byte counters hold at a time.
    for (const int64_t words : {0, 1, 2, 3, 8, 30, 31, 32, 33, 62, 63, 100})
      for (const int64_t blocks : {0, 1, 2, 5}) {
        const std::vector<uint64_t> query = random_words(static_cast<size_t>(words), 1);
        const std::vector<uint64_t> sets =
            random_words(static_cast<size_t>(blocks * words * kSignatureBlock) + 1, 2);
        const std::vector<uint32_t> shared = scanned(table, blocks, words, query, sets);
        for (int64_t set = 0; set < blocks * kSignatureBlock; ++set) {
          int expected = 0;
          for (int64_t w = 0; w < words; ++w) {
            const int64_t at = (set / kSignatureBlock * words + w) * kSignatureBlock;
            expected += std::popcount(query[static_cast<size_t>(w)] &
                                      sets[static_cast<size_t>(1 + at + set % kSignatureBlock)]);
          }
          ASSERT_EQ(shared[static_cast<size_t>(set)], static_cast<uint32_t>(expected));
        }
      }
  });
}

TEST(SharedBits, HoldsTheFullestCounts) {
  testing::for_each_table([](const Table& table) {
    constexpr int64_t kWords = 257;
    const std::vector<uint64_t> query(kWords, ~uint64_t{0});
    const std::vector<uint64_t> sets(kWords * kSignatureBlock + 1, ~uint64_t{0});
    for (const uint32_t count : scanned(table, 1, kWords, query, sets))
      EXPECT_EQ(count, 64u * kWords);
  });
}

}  // namespace
}  // namespace cllm::kernels
