#include "threads/caches.h"

#include <gtest/gtest.h>

namespace cllm {
namespace {

// Whatever the system tells, the sizes are usable: powers of a cache's order, and they grow.
TEST(CacheSizes, AreThoseOfAMachine) {
  const CacheSizes& sizes = cache_sizes();
  EXPECT_GE(sizes.level1, 4 << 10);
  EXPECT_LE(sizes.level1, 1 << 20);
  EXPECT_GT(sizes.level2, sizes.level1);
  EXPECT_TRUE(sizes.level3 == 0 || sizes.level3 > sizes.level2);
  EXPECT_EQ(&sizes, &cache_sizes());
}

}  // namespace
}  // namespace cllm
