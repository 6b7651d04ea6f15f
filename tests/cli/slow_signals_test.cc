// Signals and the STOP file: save, say so, go on bit for bit.
#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Signals : public TinyRun {
 protected:
  static constexpr int kSteps = 3000;

  static Words long_run(const std::string& out = "run") {
    return train("text.txt", out) + steps(kSteps) +
           set({"checkpoint.every=100000", "evaluation.every=1000", "sample.every=0"});
  }
  int64_t saved_step() const {
    const std::string name = fs::read_symlink(run().latest()).filename().string();
    return std::stoll(name.substr(name.find('-') + 1));
  }
  // The last line on stderr says where it stopped and how to go on.
  void expect_farewell(const ProgramResult& result) const {
    const size_t end = result.err.find_last_not_of('\n');
    const std::string last = result.err.substr(result.err.rfind('\n', end) + 1);
    EXPECT_THAT(last, HasSubstr("saved at step " + std::to_string(saved_step())));
    EXPECT_THAT(last, HasSubstr("cllm resume"));
    EXPECT_THAT(last, HasSubstr(run().path().string()));
    expect_whole_metrics(run(), saved_step());
    EXPECT_THAT(leftovers(folder_), IsEmpty());
  }
  void expect_resume_ends_like_straight() {
    ASSERT_EQ(cllm(long_run("straight")).code, 0);
    const ProgramResult resumed = cllm({"resume", "run"});
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(snapshot(run().checkpoint(kSteps)),
              snapshot(at("straight") / "checkpoints" / run().checkpoint(kSteps).filename()));
    expect_whole_metrics(run(), kSteps);
    expect_same_course(RunFolder::at(at("straight")), run());
  }
};

TEST_F(Signals, StopSignalsSaveAndExitWithTheirNumber) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    fs::remove_all(run().path());
    RunningProgram program(long_run(), options_);
    ASSERT_TRUE(wait_for_steps(20));
    program.signal(signal);
    const ProgramResult result = program.wait();
    EXPECT_EQ(result.code, 128 + signal) << result.err;
    expect_farewell(result);
  }
  expect_resume_ends_like_straight();
}

// The number of the signal promises a checkpoint.
TEST_F(Signals, AStopThatCannotSaveIsAnError) {
  RunningProgram program(long_run(), options_);
  ASSERT_TRUE(wait_for_steps(20));
  fs::remove_all(run().checkpoints());
  write_file(run().checkpoints(), "in the way");
  program.signal(SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(error_line(result), HasSubstr("checkpoints"));
}

TEST_F(Signals, ALongEvaluationIsGivenUpAndMadeUp) {
  write_file(at("held-out.txt"), small_text(20000));
  const Words words = train() + steps(3) +
                      set({"data.validation=held-out.txt", "evaluation.every=2", "sample.every=0"});
  const auto in = [&](const std::string& out) {
    Words here = words;
    *(std::find(here.begin(), here.end(), "--out") + 1) = out;
    return here;
  };
  RunningProgram program(words, options_);
  ASSERT_TRUE(wait_for_steps(2));
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_THAT(result.err, HasSubstr("saved at step 2"));
  EXPECT_TRUE(read_metrics(run().metrics()).evaluations.empty()) << "it was waited for";
  ASSERT_EQ(cllm({"resume", "run"}).code, 0);
  ASSERT_EQ(cllm(in("straight")).code, 0);
  EXPECT_EQ(snapshot(run().checkpoints()), snapshot(at("straight/checkpoints")));
  expect_same_course(RunFolder::at(at("straight")), run());
}

TEST_F(Signals, ARunStoppedManyTimesIsTheSameRun) {
  for (int i = 1; i <= 4; ++i) {
    RunningProgram program(i == 1 ? long_run() : Words{"resume", "run"}, options_);
    ASSERT_TRUE(wait_for_steps(steps_logged() + 50));
    program.signal(i % 2 == 0 ? SIGTERM : SIGINT);
    const ProgramResult result = program.wait();
    EXPECT_EQ(result.code, i % 2 == 0 ? 143 : 130) << result.err;
  }
  expect_resume_ends_like_straight();
}

TEST_F(Signals, AStopFileStopsLikeASignal) {
  RunningProgram program(long_run(), options_);
  ASSERT_TRUE(wait_for_steps(20));
  write_file(run().stop_file(), "");
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_FALSE(fs::exists(run().stop_file()));
  expect_farewell(result);
  // One that is left from another session does not stop the next one.
  write_file(run().stop_file(), "");
  expect_resume_ends_like_straight();
}

TEST_F(Signals, Usr1SavesAndGoesOn) {
  RunningProgram program(long_run(), options_);
  ASSERT_TRUE(wait_for_steps(20));
  program.signal(SIGUSR1);
  ASSERT_TRUE(wait_until([&] { return fs::is_symlink(run().latest()); }));
  const int64_t saved = saved_step();
  EXPECT_LT(saved, kSteps);
  ASSERT_TRUE(wait_for_steps(saved + 20));
  program.signal(SIGKILL);
  program.wait();
  const ProgramResult resumed = cllm({"resume", "run"});
  EXPECT_THAT(resumed.err, HasSubstr("resuming from step " + std::to_string(saved)));
  EXPECT_EQ(resumed.code, 0);
}

TEST_F(Signals, ASecondInterruptAbortsAtOnce) {
  // One step takes minutes: only an abort can end it soon.
  RunningProgram program(
      train() + set({"train.gradient_accumulation_steps=1000000", "checkpoint.every=1"}), options_);
  ASSERT_TRUE(wait_until([&] { return RunFolder::is_run(run().path()); }));
  program.signal(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 130);
  // The run is there without a checkpoint, and begins again.
  RunningProgram again({"resume", "run"}, options_);
  ASSERT_TRUE(wait_until([&] {
    return again.err().find("resuming from step 0") != std::string::npos;
  })) << again.err();
}

TEST_F(Signals, InterruptedPreparationLeavesNothing) {
  write_file(at("large.txt"), small_text(400000));
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    for (const int milliseconds : {30, 60, 150}) {
      RunningProgram program(
          train("large.txt", "runs/deep/run") + set({"tokenizer.kind=bpe"}) + steps(100000),
          options_);
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      program.signal(signal);
      const ProgramResult result = program.wait();
      EXPECT_EQ(result.code, 128 + signal) << result.err;
      if (fs::exists(at("runs/deep/run/command.txt"))) {
        EXPECT_THAT(result.err, HasSubstr("cllm resume")) << "it had begun to train";
        fs::remove_all(at("runs"));
      }
      EXPECT_FALSE(fs::exists(at("runs"))) << "interrupted after " << milliseconds << " ms";
    }
  }
}

TEST_F(Signals, WaitingForStandardInputCanBeInterrupted) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const std::string reader =
      "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(ends[0]);
  const std::string marker = at("pid").string();
  std::thread signaller([&] {
    EXPECT_TRUE(wait_until([&] { return fs::exists(marker) && fs::exists(at("run/.tmp-data")); }));
    // By now it waits: a signal must end the waiting, not only be seen before it.
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    ::kill(std::stoi(read_file(marker)), SIGTERM);
  });
  const ProgramResult result = shell(
      "sh -c 'echo $$ > pid.new; mv pid.new pid; exec \"$CLLM\" train --data - --out run' < " +
      reader);
  signaller.join();
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_EQ(result.code, 143) << result.err;
  EXPECT_FALSE(fs::exists(run().path()));
}

}  // namespace
}  // namespace cllm::cli
