// A run that is stopped at any moment must end as if it had not been.
#include "run_rig.h"
#include "train/interrupted.h"

namespace cllm {
namespace {

// In both ways of sharing the work among threads.
class SlowRun : public RunTest, public ::testing::WithParamInterface<ParallelSettings::Mode> {
 protected:
  RunSettings settings() const {
    RunSettings settings = RunTest::settings();
    settings.model.dropout = 0.1;
    settings.parallel.mode = GetParam();
    settings.parallel.shards = 2;
    return settings;
  }
};
INSTANTIATE_TEST_SUITE_P(Parallel, SlowRun,
                         ::testing::Values(ParallelSettings::Mode::kOperation,
                                           ParallelSettings::Mode::kBatch));

// At every moment at which the outside is asked: between steps, within evaluations and samples.
TEST_P(SlowRun, StoppedAnywhereItEndsWithTheSameBits) {
  int polls = 0;
  const RunResult whole = start(settings(), "whole", {[&] {
                                  ++polls;
                                  return RunRequest::kNone;
                                }});
  EXPECT_EQ(whole.end, RunEnd::kFinished);
  const auto wanted = evaluations(at("whole"));
  ASSERT_EQ(std::ssize(wanted), 3);
  int within_evaluation = 0, within_sample = 0, in_preparation = 0;
  for (int stop_at = 1; stop_at <= polls; ++stop_at) {
    SCOPED_TRACE(stop_at);
    int asked = 0;
    const RunControls controls{
        [&] { return ++asked >= stop_at ? RunRequest::kStop : RunRequest::kNone; }};
    RunResult result;
    try {
      result = start(settings(), "run", controls);
    } catch (const Interrupted&) {
      ++in_preparation;
      continue;
    }
    EXPECT_LE(asked, stop_at + 2) << "it was not obeyed soon";
    const TrainingState state = read_state(result.checkpoint);
    within_evaluation += state.evaluation_owed;
    within_sample += state.sample_owed && !state.evaluation_owed;
    if (result.end == RunEnd::kFinished) {
      EXPECT_EQ(stop_at, polls);
      continue;
    }
    EXPECT_EQ(result.end, RunEnd::kInterrupted);
    result = resume("run");
    EXPECT_EQ(result.end, RunEnd::kFinished);
    EXPECT_EQ(result.checkpoint_hash, whole.checkpoint_hash);
    EXPECT_EQ(evaluations(at("run")), wanted);
    for (const int64_t step : {3, 6})
      EXPECT_EQ(read_file(at("run").sample(step)), read_file(at("whole").sample(step)));
  }
  EXPECT_GT(in_preparation, 0);
  EXPECT_GT(within_evaluation, 10);
  EXPECT_GT(within_sample, 2);
}

}  // namespace
}  // namespace cllm
