#include "base/clock.h"

#include <gtest/gtest.h>

namespace cllm {
namespace {

TEST(Clock, UtcIsIso8601) {
  EXPECT_EQ(utc_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_time(951782400), "2000-02-29T00:00:00Z");
  EXPECT_EQ(utc_time_now().size(), 20U);
}

TEST(Clock, SteadyNeverGoesBack) {
  double last = steady_seconds();
  for (int i = 0; i < 1000; ++i) {
    const double now = steady_seconds();
    ASSERT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace cllm
