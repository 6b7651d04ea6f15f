#include "train/learning_rate_events.h"

#include <gtest/gtest.h>

#include <map>

namespace cllm {
namespace {

using optim::Schedule;
using optim::ScheduleKind;
using Events = std::map<int64_t, std::string>;

// Warm-up 4, 20 steps, 1e-3 to 1e-4.
Schedule schedule_of(ScheduleKind kind) {
  return {.kind = kind,
          .peak = 1e-3,
          .minimum = 1e-4,
          .warmup_steps = 4,
          .total_steps = 20,
          .step_every = 5,
          .step_factor = 0.5,
          .wsd_decay_share = 0.25};
}

Events events_of(const Schedule& schedule) {
  Events events;
  for (int64_t step = 0; step < schedule.total_steps; ++step)
    if (const auto text = learning_rate_event(schedule, step)) events[step] = *text;
  return events;
}

Events without_warmup(Schedule schedule) {
  schedule.warmup_steps = 0;
  return events_of(schedule);
}

TEST(LearningRateEvents, Constant) {
  const Schedule schedule = schedule_of(ScheduleKind::kConstant);
  EXPECT_EQ(events_of(schedule), (Events{{4, "warm-up done, learning rate 0.001"}}));
  EXPECT_EQ(without_warmup(schedule), Events{});
}

TEST(LearningRateEvents, LinearAndCosine) {
  for (const ScheduleKind kind : {ScheduleKind::kLinear, ScheduleKind::kCosine}) {
    Schedule schedule = schedule_of(kind);
    EXPECT_EQ(events_of(schedule),
              (Events{{4, "warm-up done, decay begins, learning rate 0.001"}}));
    EXPECT_EQ(without_warmup(schedule), Events{}) << "it begins with the run";
    schedule.minimum = schedule.peak;
    EXPECT_EQ(events_of(schedule), (Events{{4, "warm-up done, learning rate 0.001"}}));
  }
}

TEST(LearningRateEvents, StepTellsEveryDropOnce) {
  Schedule schedule = schedule_of(ScheduleKind::kStep);
  EXPECT_EQ(events_of(schedule), (Events{{4, "warm-up done, learning rate 0.001"},
                                         {9, "learning rate 0.001 -> 0.0005"},
                                         {14, "learning rate 0.0005 -> 0.00025"},
                                         {19, "learning rate 0.00025 -> 0.000125"}}));
  schedule.total_steps = 60;
  const Events longer = events_of(schedule);
  EXPECT_EQ(longer.rbegin()->first, 24);
  EXPECT_EQ(longer.rbegin()->second, "learning rate 0.000125 -> 0.0001 (the minimum)");
}

TEST(LearningRateEvents, StepThatDropsEveryTime) {
  Schedule schedule = schedule_of(ScheduleKind::kStep);
  schedule.step_every = 1;
  // 0.001 * 0.5^s until 0.0001: four drops after the warm-up.
  EXPECT_EQ(events_of(schedule), (Events{{4, "warm-up done, learning rate 0.001"},
                                         {5, "learning rate 0.001 -> 0.0005"},
                                         {6, "learning rate 0.0005 -> 0.00025"},
                                         {7, "learning rate 0.00025 -> 0.000125"},
                                         {8, "learning rate 0.000125 -> 0.0001 (the minimum)"}}));
  schedule.step_factor = 1;
  EXPECT_EQ(without_warmup(schedule), Events{});
}

TEST(LearningRateEvents, WarmupStableDecay) {
  Schedule schedule = schedule_of(ScheduleKind::kWsd);
  // The last quarter of 20 steps decays.
  EXPECT_EQ(events_of(schedule), (Events{{4, "warm-up done, learning rate 0.001"},
                                         {15, "decay begins, learning rate 0.001"}}));
  EXPECT_EQ(without_warmup(schedule), (Events{{15, "decay begins, learning rate 0.001"}}));
  schedule.wsd_decay_share = 1;
  EXPECT_EQ(events_of(schedule), (Events{{4, "warm-up done, decay begins, learning rate 0.001"}}));
  schedule.wsd_decay_share = 0;
  EXPECT_EQ(events_of(schedule), (Events{{4, "warm-up done, learning rate 0.001"}}));
}

TEST(LearningRateEvents, ARunThatIsAllWarmupHasNone) {
  Schedule schedule = schedule_of(ScheduleKind::kCosine);
  schedule.warmup_steps = 20;
  EXPECT_EQ(events_of(schedule), Events{});
}

}  // namespace
}  // namespace cllm
