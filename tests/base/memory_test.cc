#include "base/memory.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace cllm {
namespace {

constexpr int64_t kMiB = 1 << 20;

TEST(Memory, SomeIsAvailableAndItIsKnown) {
  EXPECT_GT(available_memory(), kMiB);
  EXPECT_LT(available_memory(), std::numeric_limits<int64_t>::max());
}

TEST(Memory, TheResidentSetGrowsWithTouchedPagesAndThePeakStays) {
  const int64_t before = resident_memory();
  {
    std::vector<char> block(64 * kMiB, 'x');
    // Half of it, so that other pages of the process may go meanwhile.
    EXPECT_GT(resident_memory(), before + 32 * kMiB) << block[5];
  }
  EXPECT_GE(peak_resident_memory(), before + 32 * kMiB);
  EXPECT_GE(peak_resident_memory(), resident_memory() - 32 * kMiB);
}

}  // namespace
}  // namespace cllm
