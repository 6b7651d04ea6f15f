#include "threads/machine.h"

#include <gtest/gtest.h>

namespace cllm {
namespace {

TEST(Machine, CachesGrowWithTheirLevel) {
  const std::vector<Cache> caches = data_caches();
  for (size_t i = 0; i < caches.size(); ++i) {
    EXPECT_GT(caches[i].bytes, 0);
    if (i > 0) {
      EXPECT_GT(caches[i].level, caches[i - 1].level);
      EXPECT_GE(caches[i].bytes, caches[i - 1].bytes);
    }
  }
  EXPECT_EQ(cache_names().size(), caches.size());
}

TEST(Machine, TheSecondLevelIsOneOfTheCaches) {
  int64_t told = int64_t{512} << 10;
  for (const Cache& cache : data_caches())
    if (cache.level == 2) told = cache.bytes;
  EXPECT_EQ(level2_bytes(), told);
}

TEST(Machine, IsDescribed) {
  EXPECT_NE(cpu_name(), "");
  EXPECT_GE(usable_processors(), 1);
  EXPECT_GT(machine_memory(), int64_t{1} << 20);
  EXPECT_TRUE(kernel_name().starts_with("Linux "));
}

}  // namespace
}  // namespace cllm
