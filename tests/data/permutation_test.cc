#include "data/permutation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace cllm {
namespace {

const Philox kSource(5, RandomStream::kTest);

std::vector<int64_t> order(uint64_t epoch, int64_t size) {
  const Permutation permutation(kSource, epoch, size);
  std::vector<int64_t> all;
  for (int64_t i = 0; i < size; ++i)
    all.push_back(permutation(i));
  return all;
}

TEST(Permutation, HitsEveryNumberOnce) {
  std::vector<int64_t> sizes = {1000, 4095, 4096, 4097, 100000};
  for (int64_t size = 1; size <= 130; ++size)
    sizes.push_back(size);
  for (const int64_t size : sizes) {
    std::vector<int64_t> all = order(0, size);
    std::ranges::sort(all);
    for (int64_t i = 0; i < size; ++i)
      ASSERT_EQ(all[static_cast<size_t>(i)], i) << size;
  }
}

TEST(Permutation, WorksForHugeSizes) {
  const int64_t size = (int64_t{1} << 61) + 12345;
  const Permutation permutation(kSource, 1, size);
  for (int64_t i = 0; i < 100; ++i) {
    EXPECT_GE(permutation(i), 0);
    EXPECT_LT(permutation(i), size);
  }
}

TEST(Permutation, EpochsDiffer) {
  EXPECT_NE(order(0, 100), order(1, 100));
  EXPECT_NE(order(1, 100), order(2, 100));
  EXPECT_EQ(order(1, 100), order(1, 100));
}

// All 24 orders of four windows occur about equally often: chi-squared with 23 degrees of freedom
// is below 49.7 with probability 0.999.
TEST(Permutation, SmallOrdersAreEquallyLikely) {
  std::map<std::vector<int64_t>, int> count;
  const int epochs = 24 * 200;
  for (int epoch = 0; epoch < epochs; ++epoch)
    ++count[order(static_cast<uint64_t>(epoch), 4)];
  ASSERT_EQ(count.size(), 24u);
  double chi_squared = 0;
  for (const auto& [permutation, times] : count)
    chi_squared += (times - 200.0) * (times - 200.0) / 200.0;
  EXPECT_LT(chi_squared, 49.7);
}

}  // namespace
}  // namespace cllm
