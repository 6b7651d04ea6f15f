#include "ops/row_blocks.h"

#include <gtest/gtest.h>

#include "ops/elementwise.h"
#include "ops/norm.h"
#include "testing.h"
#include "testing_tables.h"

namespace cllm::ops {
namespace {

using testing::random_vector;

constexpr float kGuard = 7;  // behind every scratch

TEST(RowBlocks, CoverEveryRowOnceInOrder) {
  for (int64_t N = 0; N <= 3000; ++N) {
    const RowBlocks cut(N);
    int64_t next = 0;
    for (int64_t block = 0; block < cut.blocks; ++block) {
      ASSERT_EQ(cut.begin(block), next);
      ASSERT_GT(cut.end(block), next);
      next = cut.end(block);
    }
    ASSERT_EQ(next, N);
    ASSERT_LE(cut.blocks, kMaxRowBlocks);
  }
}

// A plan for N rows runs every smaller batch too, and fewer rows can make more blocks.
TEST(RowBlocks, ScratchOfAPlanHoldsEverySmallerRun) {
  ASSERT_GT(RowBlocks(984).blocks, RowBlocks(1025).blocks) << "the case that this is about";
  for (int64_t planned = 0; planned <= 2500; ++planned) {
    const auto norm = static_cast<int64_t>(norm_scratch(planned, 1));
    const int64_t sums = column_sum_scratch(planned, 1);
    for (int64_t run = 0; run <= planned; ++run) {
      const int64_t blocks = RowBlocks(run).blocks;
      ASSERT_GE(sums, blocks) << planned << " " << run;
      ASSERT_GE(norm, 2 * blocks) << planned << " " << run;
    }
  }
}

TEST(RowBlocks, ASmallerRunStaysInsideItsPlan) {
  constexpr int64_t kPlanned = 1025, kRun = 984, C = 5;
  const std::vector<float> x = random_vector(kRun * C, 1), dy = random_vector(kRun * C, 2);
  const std::vector<float> ones(kRun, 1.0f), zeros(kRun, 0.0f), gain(C, 1.0f);
  ThreadPool pool(2);
  const Context context{pool, kernels::chosen_table()};
  const auto guarded = [](size_t floats) { return std::vector<float>(floats + 64, kGuard); };
  const auto expect_guard = [](const std::vector<float>& scratch, size_t floats) {
    for (size_t i = floats; i < scratch.size(); ++i)
      ASSERT_EQ(scratch[i], kGuard) << i - floats;
  };
  std::vector<float> dx(kRun * C), dgain(C), dbias(C), sum(C);
  const size_t norm_floats = norm_scratch(kPlanned, C);
  std::vector<float> scratch = guarded(norm_floats);
  layer_norm_backward(context, kRun, C, x.data(), gain.data(), zeros.data(), ones.data(), dy.data(),
                      dx.data(), dgain.data(), dbias.data(), scratch.data());
  expect_guard(scratch, norm_floats);
  const auto sum_floats = static_cast<size_t>(column_sum_scratch(kPlanned, C));
  scratch = guarded(sum_floats);
  column_sum(context, kRun, C, x.data(), C, sum.data(), scratch.data());
  expect_guard(scratch, sum_floats);
}

}  // namespace
}  // namespace cllm::ops
