#include "kernels/peak.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/table.h"

namespace cllm::kernels {
namespace {

TEST(PeakLoop, EveryTableHasOneForFp32ThatStaysFinite) {
  for (const Table* table : supported_tables()) {
    const PeakLoop* loop = peak_loop(PeakKind::kFp32, table->name);
#if defined(__x86_64__)
    ASSERT_NE(loop, nullptr) << table->name;
#endif
    if (loop == nullptr) continue;
    EXPECT_GT(loop->operations, 0);
    // x = x / 2 + 1 / 2 reaches 1 in each chain, whose sum is then their number; after five rounds
    // it is not there yet.
    EXPECT_EQ(loop->run(1000), loop->run(2000));
    EXPECT_NE(loop->run(5), loop->run(1000));
  }
}

TEST(PeakLoop, NarrowTypesBelongToAvx512Alone) {
  for (const PeakKind kind : {PeakKind::kBf16, PeakKind::kInt8}) {
    EXPECT_EQ(peak_loop(kind, "scalar"), nullptr);
    EXPECT_EQ(peak_loop(kind, "avx2"), nullptr);
  }
}

TEST(PeakLoop, NarrowTypesRunWhereTheCpuHasThem) {
  if (find_table("avx512") == nullptr) GTEST_SKIP() << "no AVX-512 here";
  for (const PeakKind kind : {PeakKind::kBf16, PeakKind::kInt8}) {
    const PeakLoop* loop = peak_loop(kind, "avx512");
    if (loop == nullptr) continue;
    EXPECT_TRUE(std::isfinite(loop->run(100)));
    EXPECT_GT(loop->run(100), loop->run(10));
  }
}

}  // namespace
}  // namespace cllm::kernels
