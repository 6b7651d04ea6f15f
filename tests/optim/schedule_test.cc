#include "optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace cllm::optim {
namespace {

Schedule schedule_of(ScheduleKind kind) {
  return {.kind = kind,
          .peak = 1.0,
          .minimum = 0.1,
          .warmup_steps = 3,
          .total_steps = 13,
          .step_every = 4,
          .step_factor = 0.25,
          .wsd_decay_share = 0.3};
}

void expect_rates(const Schedule& schedule, int64_t first, const std::vector<double>& rates) {
  for (size_t i = 0; i < rates.size(); ++i) {
    const int64_t step = first + static_cast<int64_t>(i);
    EXPECT_NEAR(learning_rate(schedule, step), rates[i], 1e-12) << "step " << step;
  }
}

// The learning rates of the golden trajectory (warm-up 2, cosine 3e-3 to 3e-4, 8 steps).
TEST(Schedule, ReproducesTheGoldenTrajectory) {
  const Schedule schedule = {.kind = ScheduleKind::kCosine,
                             .peak = 3e-3,
                             .minimum = 3e-4,
                             .warmup_steps = 2,
                             .total_steps = 8};
  expect_rates(schedule, 0,
               {0.001, 0.002, 0.003, 0.0028191342951089924, 0.002325, 0.00165,
                0.0009750000000000004, 0.00048086570489100773});
  EXPECT_EQ(learning_rate(schedule, 8), 3e-4);
}

TEST(Schedule, EveryKindWarmsUpAlike) {
  for (const auto& entry : kScheduleNames)
    expect_rates(schedule_of(entry.value), 0, {0.25, 0.5, 0.75, 1.0});
}

TEST(Schedule, Constant) {
  expect_rates(schedule_of(ScheduleKind::kConstant), 3, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
}

TEST(Schedule, Linear) {
  expect_rates(schedule_of(ScheduleKind::kLinear), 3,
               {1, 0.91, 0.82, 0.73, 0.64, 0.55, 0.46, 0.37, 0.28, 0.19, 0.1, 0.1});
}

TEST(Schedule, CosineReachesHalfWayAndTheMinimum) {
  const Schedule schedule = schedule_of(ScheduleKind::kCosine);
  EXPECT_NEAR(learning_rate(schedule, 8), 0.55, 1e-12);
  EXPECT_NEAR(learning_rate(schedule, 5), 0.1 + 0.45 * (1 + std::cos(0.2 * 3.141592653589793)),
              1e-12);
  EXPECT_EQ(learning_rate(schedule, 13), 0.1);
  EXPECT_EQ(learning_rate(schedule, 1000), 0.1);
}

TEST(Schedule, StepMultipliesEveryFewStepsDownToTheMinimum) {
  expect_rates(schedule_of(ScheduleKind::kStep), 3,
               {1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25, 0.1, 0.1, 0.1, 0.1, 0.1});
}

// 0.3 of 13 steps is 3.9: the last four decay.
TEST(Schedule, WsdHoldsThenDecays) {
  expect_rates(schedule_of(ScheduleKind::kWsd), 3,
               {1, 1, 1, 1, 1, 1, 1, 0.775, 0.55, 0.325, 0.1, 0.1});
}

TEST(Schedule, WsdSharesOfNothingAndEverything) {
  Schedule schedule = schedule_of(ScheduleKind::kWsd);
  schedule.wsd_decay_share = 0;
  EXPECT_EQ(learning_rate(schedule, 12), 1.0);
  EXPECT_EQ(learning_rate(schedule, 13), 0.1);
  schedule.wsd_decay_share = 1;  // more than is left after the warm-up: all of that
  expect_rates(schedule, 3, {1, 0.91, 0.82});
}

TEST(Schedule, WarmupLongerThanTheRunOnlyWarmsUp) {
  for (const auto& entry : kScheduleNames) {
    Schedule schedule = schedule_of(entry.value);
    schedule.warmup_steps = 20;
    expect_rates(schedule, 0, {1 / 21.0, 2 / 21.0});
    EXPECT_NEAR(learning_rate(schedule, 12), 13 / 21.0, 1e-12);
    const double after = learning_rate(schedule, 20);
    const bool holds = entry.value == ScheduleKind::kConstant || entry.value == ScheduleKind::kStep;
    EXPECT_EQ(after, holds ? 1.0 : 0.1) << entry.name;
  }
}

TEST(Schedule, ARunOfOneStepTrainsAtThePeak) {
  for (const auto& entry : kScheduleNames) {
    Schedule schedule = schedule_of(entry.value);
    schedule.warmup_steps = 0;
    schedule.total_steps = 1;
    EXPECT_EQ(learning_rate(schedule, 0), 1.0) << entry.name;
  }
}

TEST(ScheduleDeathTest, RejectsNegativeStepsAndEmptyIntervals) {
  Schedule schedule = schedule_of(ScheduleKind::kStep);
  EXPECT_DEATH(learning_rate(schedule, -1), "step=-1");
  schedule.step_every = 0;
  EXPECT_DEATH(learning_rate(schedule, 5), "step_every=0");
}

}  // namespace
}  // namespace cllm::optim
