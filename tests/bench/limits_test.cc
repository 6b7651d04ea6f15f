#include "bench/limits.h"

#include <gtest/gtest.h>

#include "testing_tables.h"
#include "threads/machine.h"

namespace cllm::bench {
namespace {

TEST(Limits, BandwidthIsPositiveForEveryStreamAndAnySize) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const int64_t bytes : {int64_t{0}, int64_t{1000}, int64_t{100000}}) {
    StreamProblem problem(context, 2, bytes);
    for (const Stream stream : {Stream::kRead, Stream::kCopy, Stream::kTriad})
      EXPECT_GT(problem.measure(stream), 0);
  }
}

TEST(Limits, PeakIsPositive) {
  ThreadPool pool(1);
  const kernels::PeakLoop* loop =
      kernels::peak_loop(kernels::PeakKind::kFp32, kernels::chosen_table().name);
  if (loop == nullptr) GTEST_SKIP() << "no peak loop for this processor";
  EXPECT_GT(measure_peak(pool, 1, *loop), 0);
}

TEST(Limits, MemoryWorkingSetIsBeyondTheCaches) {
  EXPECT_GE(memory_working_set(), int64_t{64} << 20);
  for (const Cache& cache : data_caches())
    EXPECT_GE(memory_working_set(), 2 * cache.bytes);
}

}  // namespace
}  // namespace cllm::bench
