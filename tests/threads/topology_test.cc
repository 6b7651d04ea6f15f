#include "threads/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <functional>

#include "base/error.h"

namespace cllm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Topology : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("CLLM_THREADS");
    ::unsetenv("OMP_NUM_THREADS");
  }
  static std::string message(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }
};

TEST_F(Topology, ChoosesAtLeastOneAndAtMostTheAffinityMask) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  const ThreadBudget budget = choose_threads(0);
  EXPECT_GE(budget.count, 1);
  EXPECT_LE(budget.count, CPU_COUNT(&set));
  EXPECT_THAT(budget.reason, HasSubstr("in the affinity mask"));
}

TEST_F(Topology, ASmallerAffinityMaskIsObeyed) {
  cpu_set_t before, one;
  CPU_ZERO(&before);
  CPU_ZERO(&one);
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  int first = 0;
  while (!CPU_ISSET(first, &before))
    ++first;
  CPU_SET(first, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  const ThreadBudget budget = choose_threads(0);
  ::sched_setaffinity(0, sizeof before, &before);
  EXPECT_EQ(budget.count, 1);
  EXPECT_THAT(budget.reason, StartsWith("1 physical core in the affinity mask"));
}

TEST_F(Topology, ARequestIsHonouredAndExcessIsSaid) {
  EXPECT_EQ(choose_threads(1).count, 1);
  EXPECT_THAT(choose_threads(1).reason, StartsWith("as requested ("));
  const ThreadBudget many = choose_threads(5000);
  EXPECT_EQ(many.count, 5000);
  EXPECT_THAT(many.reason, HasSubstr("more than the "));
}

TEST_F(Topology, TheEnvironmentDecidesInOrder) {
  ::setenv("OMP_NUM_THREADS", "3,2", 1);
  EXPECT_EQ(choose_threads(0).count, 3) << "the first nesting level";
  EXPECT_THAT(choose_threads(0).reason, StartsWith("from OMP_NUM_THREADS"));
  ::setenv("CLLM_THREADS", "2", 1);
  EXPECT_EQ(choose_threads(0).count, 2);
  EXPECT_EQ(choose_threads(1).count, 1) << "the request wins";
  ::setenv("CLLM_THREADS", "", 1);
  EXPECT_EQ(choose_threads(0).count, 3) << "empty is unset";
}

TEST_F(Topology, BadCountsAreErrorsThatNameTheirSource) {
  EXPECT_EQ(message([] { choose_threads(-1); }),
            "threads: -1 is negative; give a number of threads, or 0 to choose");
  for (const char* value : {"0", "-2", "many", "2x", "99999999999", ","}) {
    ::setenv("CLLM_THREADS", value, 1);
    EXPECT_THAT(message([] { choose_threads(0); }), StartsWith("CLLM_THREADS: '")) << value;
  }
  ::unsetenv("CLLM_THREADS");
  ::setenv("OMP_NUM_THREADS", "1024", 1);
  EXPECT_EQ(choose_threads(0).count, 1024);
  ::setenv("OMP_NUM_THREADS", "1025", 1);
  EXPECT_EQ(
      message([] { choose_threads(0); }),
      "OMP_NUM_THREADS: 1025 is more than 1024 threads; unset it or give a number of threads");
}

}  // namespace
}  // namespace cllm
