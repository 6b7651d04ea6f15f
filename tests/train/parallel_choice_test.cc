#include "train/parallel_choice.h"

#include "run_rig.h"
#include "train/interrupted.h"
#include "trainer_rig.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RunSettings undecided(RunSettings settings) {
  settings.parallel.mode = ParallelSettings::Mode::kAuto;
  return settings;
}

TEST(ParallelChoice, TakesTheFasterOfWhatItMeasured) {
  const RunSettings settings = undecided(muon_settings());
  const Transformer model(settings.model);
  const TokenDataset data = TokenDataset::from_tokens(testing::random_tokens(700, 257, 8), 257);
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  int polls = 0;
  const ParallelChoice choice =
      choose_parallel(model, context, settings, data.all(), INT64_MAX, [&] { ++polls; });
  EXPECT_GE(polls, 4) << "two turns of each";
  EXPECT_GT(choice.batch_rate, 0);
  EXPECT_GT(choice.operation_rate, 0);
  EXPECT_EQ(choice.mode, choice.batch_rate > choice.operation_rate
                             ? ParallelSettings::Mode::kBatch
                             : ParallelSettings::Mode::kOperation);
}

// Shards have gradients of their own, so they are the first that does not fit.
TEST(ParallelChoice, MemoryMayLeaveOneWay) {
  using Mode = ParallelSettings::Mode;
  RunSettings settings = gpt2_settings();
  const Transformer model(settings.model);
  const TokenDataset data = TokenDataset::from_tokens(testing::random_tokens(700, 257, 8), 257);
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  const auto needs = [&](Mode mode) {
    settings.parallel.mode = mode;
    return plan_memory(model, settings, context).total() + kOtherMemory;
  };
  const int64_t batch = needs(Mode::kBatch), operation = needs(Mode::kOperation);
  ASSERT_GT(batch, operation);
  const auto affordable = [&](int64_t available) {
    return affordable_mode(model, settings, context, available);
  };
  EXPECT_EQ(affordable(1), Mode::kOperation) << "the user's";
  settings = undecided(settings);
  EXPECT_EQ(affordable(batch), Mode::kAuto);
  EXPECT_EQ(affordable(batch - 1), Mode::kOperation);
  EXPECT_EQ(affordable(operation - 1), Mode::kOperation) << "the smaller one is to be refused";

  int polls = 0;
  const ParallelChoice choice =
      choose_parallel(model, context, settings, data.all(), batch - 1, [&] { ++polls; });
  EXPECT_EQ(choice.mode, Mode::kOperation);
  EXPECT_EQ(choice.operation_rate, 0);
  EXPECT_EQ(polls, 0);
}

using ParallelRun = RunTest;

TEST_F(ParallelRun, AutoIsDecidedOnceAndKeptForResume) {
  int polls = 0;
  const RunResult stopped =
      start(undecided(settings()), "run", {[&] {
              const std::string text = messages();
              const bool chosen = text.find("by operation") != text.npos;
              return chosen && ++polls > 4 ? RunRequest::kStop : RunRequest::kNone;
            }});
  EXPECT_EQ(stopped.end, RunEnd::kInterrupted);
  EXPECT_THAT(messages(), HasSubstr("tokens/s by batch, "));
  const std::string config = read_file(at("run").config());
  EXPECT_THAT(config, Not(HasSubstr("mode = \"auto\"")));
  const size_t told = messages().size();
  const RunResult resumed = resume("run");
  EXPECT_EQ(resumed.end, RunEnd::kFinished);
  EXPECT_THAT(messages().substr(told), Not(HasSubstr("tokens/s by batch")));
  EXPECT_EQ(read_file(at("run").config()), config);

  // As if the choice had been the user's, and had not been interrupted.
  RunSettings named = settings();
  named.parallel.mode = config.find("mode = \"batch\"") != config.npos
                            ? ParallelSettings::Mode::kBatch
                            : ParallelSettings::Mode::kOperation;
  EXPECT_EQ(resumed.checkpoint_hash, start(named, "named").checkpoint_hash);
}

TEST_F(ParallelRun, ResumeDoesNotMeasure) {
  start(settings(), "run");
  EXPECT_THAT(
      error_of(ErrorKind::kUsage,
               [&] { resume("run", [](RunSettings& stored) { stored = undecided(stored); }); }),
      HasSubstr("parallel.mode: is decided when a run starts, not by resume"));
}

TEST_F(ParallelRun, AStopIsObeyedDuringTheMeasurement) {
  RunSettings long_steps = undecided(settings());
  long_steps.train.batch_size = 64;
  int polls = 0, in_preparation = 0;
  start(settings(), "counted", {[&] {
          in_preparation += messages().find("steps of") == std::string::npos;
          return RunRequest::kNone;
        }});
  EXPECT_THROW(start(long_steps, "run", {[&] {
                       return ++polls > in_preparation + 2 ? RunRequest::kStop : RunRequest::kNone;
                     }}),
               Interrupted);
  EXPECT_FALSE(fs::exists(at("run").config()));
}

TEST(ParallelSettings, MayNotChangeOnResume) {
  EXPECT_FALSE(may_change_on_resume("parallel.mode"));
  EXPECT_FALSE(may_change_on_resume("parallel.shards"));
}

}  // namespace
}  // namespace cllm
