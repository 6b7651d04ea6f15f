#include "bench/step.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "bench/step_worker.h"

namespace cllm::bench {
namespace {

StepCase tiny(const std::string& name) {
  StepCase step{name, {}};
  step.settings.model = model_preset("nano");
  step.settings.model.vocabulary_size = 65;
  step.settings.model.layers = 1;
  step.settings.train.batch_size = 2;
  step.settings.train.threads = 1;
  step.settings.sample.every = 0;
  return step;
}

TEST(MeasureSteps, TellsRateMemoryAndTimeByOperation) {
  Report report;
  measure_steps({tiny("one"), tiny("two")}, 1, {}, report);
  ASSERT_EQ(report.results.size(), 2u);
  for (const Result& result : report.results) {
    EXPECT_EQ(result.unit, "tokens/s");
    EXPECT_GT(result.samples.at(0), 0);
    EXPECT_GT(result.extra.at("planned_bytes").get<int64_t>(), 0);
    EXPECT_GT(result.extra.at("resident_bytes").get<int64_t>(), 0);
    const Json& times = result.extra.at("time_by_operation");
    for (const char* name : {"product forward", "product dX", "product dW", "attention backward",
                             "cross entropy", "optimizer", "other"})
      EXPECT_TRUE(times.contains(name)) << name;
  }
  EXPECT_THAT(report.table, ::testing::HasSubstr("share of a step"));
}

// Those of the context that the steps run in.
TEST(PlannedStepBytes, CountTheKeysOfSortedTokens) {
  RunSettings settings = tiny("sorted").settings;
  const int64_t as_they_come = planned_step_bytes(settings);
  settings.parallel.token_order = ops::TokenOrder::kSorted;
  EXPECT_GT(planned_step_bytes(settings), as_they_come);
}

TEST(MeasureSteps, RefusesWhatDoesNotFit) {
  StepCase large = tiny("large");
  large.settings.train.batch_size = int64_t{1} << 24;
  Report report;
  try {
    measure_steps({large}, 1, {}, report);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMemory);
  }
}

}  // namespace
}  // namespace cllm::bench
