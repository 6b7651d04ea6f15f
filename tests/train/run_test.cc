#include "train/run.h"

#include <set>

#include "run_rig.h"

namespace cllm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Run : public RunTest {};

TEST_F(Run, AnEvaluationThatWasGivenUpStillDecidesTheEarlyStop) {
  const RunResult early = start_that_stops_early("whole");
  ASSERT_EQ(early.end, RunEnd::kStoppedEarly);
  EXPECT_EQ(early.step, 4);
  // The same run as stopped within the evaluation of step 4.
  RunSettings wanted;
  SettingsBinder binder;
  wanted.bind(binder);
  read_run_settings(at("whole"), binder);
  wanted.model.vocabulary_size = 0;
  bool seen = false;
  const RunControls controls{[&] {
    std::error_code none;
    const bool fourth = fs::exists(at("run").metrics(), none) &&
                        read_file(at("run").metrics()).find("\"step\":4") != std::string::npos;
    seen = seen || fourth;
    return fourth ? RunRequest::kStop : RunRequest::kNone;
  }};
  ASSERT_EQ(start(wanted, "run", controls).end, RunEnd::kInterrupted);
  EXPECT_TRUE(seen);
  const RunResult result = resume("run");
  EXPECT_EQ(result.end, RunEnd::kStoppedEarly);
  EXPECT_EQ(result.checkpoint_hash, early.checkpoint_hash);
}

TEST_F(Run, AnEarlyStoppedRunGoesOnOnlyWithMoreSteps) {
  const RunResult early = start_that_stops_early("run");
  ASSERT_EQ(early.end, RunEnd::kStoppedEarly);
  const auto before = read_file(at("run").checkpoint(early.step) / "manifest.json");
  const RunResult again = resume("run");
  EXPECT_EQ(again.end, RunEnd::kStoppedEarly);
  EXPECT_EQ(again.checkpoint_hash, early.checkpoint_hash);
  EXPECT_EQ(read_file(at("run").checkpoint(early.step) / "manifest.json"), before);
  EXPECT_THAT(messages(), HasSubstr("the run stopped early at step 4"));
  EXPECT_THAT(messages(), HasSubstr("--steps 10`"));
  const RunResult more = resume("run", [](RunSettings& stored) {
    stored.train.steps = 7;
    stored.evaluation.patience = 9;
  });
  EXPECT_EQ(more.end, RunEnd::kFinished);
  EXPECT_EQ(more.step, 7);
  EXPECT_EQ(read_state(more.checkpoint).evaluations_since_best, 2) << "counted anew: 6 and 7";
}

TEST_F(Run, MoreStepsAloneContinueAnEarlyStoppedRun) {
  ASSERT_EQ(start_that_stops_early("run").step, 4);
  const RunResult more = resume("run", [](RunSettings& stored) { stored.train.steps = 20; });
  EXPECT_EQ(more.end, RunEnd::kStoppedEarly);
  EXPECT_EQ(more.step, 6) << "the next evaluation";
}

TEST_F(Run, FewerStepsThanAreDoneAreRefusedBeforeAnythingIsWritten) {
  start(settings(), "run");
  write_file(at("run").stop_file(), "");
  const auto before = files_of("run");
  const std::string message = error_of(ErrorKind::kUsage, [&] {
    resume("run", [](RunSettings& stored) { stored.train.steps = 3; });
  });
  EXPECT_THAT(message, HasSubstr("train.steps: 3 is below step 6"));
  EXPECT_EQ(files_of("run"), before);
}

// As versions stored them that accepted them.
TEST_F(Run, TablesOfAMemoryThatIsNotThereAreForgotten) {
  start(settings(), "run");
  const fs::path path = at("run").config();
  std::string config = read_file(path);
  const std::string now = "ngram_rows = 16384";
  ASSERT_NE(config.find(now), std::string::npos);
  write_file(path, config.replace(config.find(now), now.size(), "ngram_rows = 64"));
  EXPECT_EQ(resume("run", [](RunSettings& s) { s.train.steps = 8; }).step, 8);
  EXPECT_THAT(read_file(path), HasSubstr(now));
}

TEST_F(Run, WarnsOfOtherKernels) {
  RunSettings wanted = settings();
  start(wanted, "run");
  const auto more = [](RunSettings& stored) { ++stored.train.steps; };
  resume("run", more);
  EXPECT_THAT(messages(), Not(HasSubstr("kernels and goes on with")));
  std::string environment = read_file(at("run").environment());
  const std::string mine = fmt::format("\"{}\"", engine_.context().kernels.name);
  ASSERT_NE(environment.find(mine), std::string::npos);
  environment.replace(environment.find(mine), mine.size(), "\"abacus\"");
  write_file(at("run").environment(), environment);
  resume("run", more);
  EXPECT_THAT(messages(), HasSubstr("began with abacus kernels and goes on with"));
  EXPECT_THAT(messages(), HasSubstr("bits will differ"));
}

TEST_F(Run, DivergenceSaysHowToGoOn) {
  RunSettings wanted = settings();
  wanted.optimizer.kind = OptimizerSettings::Kind::kSgd;
  wanted.optimizer.learning_rate = 1e30;
  wanted.schedule.warmup_steps = 0;
  const std::string at_once = error_of(ErrorKind::kDiverged, [&] { start(wanted, "run"); });
  EXPECT_THAT(at_once, HasSubstr("no checkpoint yet: start again with a lower"));
  EXPECT_THAT(at_once, Not(HasSubstr("-nan")));
  wanted.checkpoint.every = 1;
  const std::string later = error_of(ErrorKind::kDiverged, [&] { start(wanted, "run"); });
  EXPECT_THAT(later, HasSubstr("cllm resume " + at("run").path().string() +
                               " --set optimizer.learning_rate=5e+29"));
}

TEST_F(Run, TellsWhichSettingsMayChange) {
  RunSettings any;
  SettingsBinder binder;
  any.bind(binder);
  std::set<std::string> sections, train;
  for (const std::string& key : binder.keys()) {
    if (!may_change_on_resume(key)) continue;
    sections.insert(key.substr(0, key.find('.')));
    if (key.starts_with("train.")) train.insert(key);
  }
  EXPECT_THAT(sections, ElementsAre("checkpoint", "evaluation", "optimizer", "parallel",
                                    "precision", "sample", "sampling", "schedule", "train"));
  EXPECT_THAT(train, ElementsAre("train.clip_norm", "train.log_every", "train.recompute",
                                 "train.steps", "train.threads"));
  for (const char* order : {"parallel.tile_order", "parallel.token_order"})
    EXPECT_TRUE(may_change_on_resume(order)) << "it changes no bit";
  EXPECT_FALSE(may_change_on_resume("parallel.shards"));
  EXPECT_FALSE(may_change_on_resume("optimizer.kind"));
}

}  // namespace
}  // namespace cllm
