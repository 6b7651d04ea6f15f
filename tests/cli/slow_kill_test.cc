// SIGKILL at random moments, and what is left then.
#include <fmt/format.h>

#include "base/philox.h"
#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

class Kill : public TinyRun {
 protected:
  static constexpr int kSteps = 4000;

  Words long_run(const std::string& out) {
    return train("text.txt", out) + steps(kSteps) +
           set({"model.dropout=0.1", "evaluation.every=600", "checkpoint.every=200",
                "sample.every=1000", "sample.tokens=8"});
  }
  // Starts the program and kills it after `milliseconds`. Whether it was still running.
  bool kill_after(const Words& words, int milliseconds) {
    RunningProgram program(words, options_);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    program.signal(SIGKILL);
    return program.wait().code == 128 + SIGKILL;
  }
};

// In a precision (precision.mode) and a way of sharing a step (parallel.mode), perhaps with a
// technique of src/crystal. The loss scale of fp16 doubles after 2000 steps, which is too much for
// this run.
struct Way {
  std::string precision, parallel;
  std::string technique = {};  // its name in the test's
  Words settings = {};
};
const Words kNgrams = {"model.ngram_order=4", "model.ngram_rows=64", "model.ngram_dropout=0.3"};
const Words kFactorised = {"model.embedding=factorised", "model.embedding_width=12"};
const Words kComposite = {"model.embedding=composite", "model.embedding_dense_rows=5",
                          "tokenizer.kind=bpe", "tokenizer.vocabulary_size=800"};
const Words kFixed = {"parallel.reduction=fixed"}, kSuper = {"parallel.reduction=super"};
const Words kPrior = {"model.prior_order=5"};
const Words kOrdered = {"tokenizer.kind=char", "tokenizer.order=ulam",
                        "parallel.tile_order=hilbert", "parallel.token_order=sorted"};
const Words kLattice = {"model.embedding=lattice"};

class KillIn : public Kill, public testing::WithParamInterface<Way> {
 protected:
  void SetUp() override {
    Kill::SetUp();
    if (GetParam().technique == "_composite") write_file(at("text.txt"), many_words());
  }
  Words run_of_this_way(const std::string& out) {
    return long_run(out) +
           set({"precision.mode=" + GetParam().precision, "parallel.mode=" + GetParam().parallel}) +
           set(GetParam().settings);
  }
};
INSTANTIATE_TEST_SUITE_P(
    Ways, KillIn,
    testing::Values(Way{"fp32", "operation"}, Way{"bf16", "operation"}, Way{"fp16", "operation"},
                    Way{"fp32", "batch"}, Way{"bf16", "batch"}, Way{"fp16", "batch"},
                    Way{"bf16", "operation", "_ngrams", kNgrams},
                    Way{"bf16", "batch", "_factorised", kFactorised},
                    Way{"fp32", "operation", "_composite", kComposite},
                    Way{"bf16", "batch", "_lattice", kLattice},
                    Way{"fp32", "batch", "_fixed", kFixed}, Way{"bf16", "batch", "_super", kSuper},
                    Way{"fp16", "batch", "_fixed", kFixed},
                    Way{"fp32", "operation", "_prior", kPrior},
                    Way{"fp32", "operation", "_ordered", kOrdered}),
    [](const auto& test) {
      return test.param.precision + "_" + test.param.parallel + test.param.technique;
    });

TEST_P(KillIn, TwelveKillsEndInTheSameRun) {
  const ProgramResult straight = cllm(run_of_this_way("straight"));
  ASSERT_EQ(straight.code, 0) << straight.err;
  const Philox random(1, RandomStream::kTest);
  for (int64_t kill = 0; kill < 12; ++kill) {
    // Somewhere in its twelfth of the run, and not only right after a record was written.
    const int64_t target = kill * kSteps / 12 + static_cast<int64_t>(random.below(
                                                    kSteps / 13, 0, static_cast<uint64_t>(kill)));
    RunningProgram program(kill == 0 ? run_of_this_way("run") : Words{"resume", "run"}, options_);
    ASSERT_TRUE(wait_for_steps(target + 1)) << program.err();
    std::this_thread::sleep_for(
        std::chrono::microseconds(random.below(5000, 1, static_cast<uint64_t>(kill))));
    program.signal(SIGKILL);
    EXPECT_EQ(program.wait().code, 128 + SIGKILL);
  }
  const ProgramResult last = cllm({"resume", "run"});
  ASSERT_EQ(last.code, 0) << last.err;
  EXPECT_EQ(snapshot(run().checkpoint(kSteps)),
            snapshot(at("straight") / "checkpoints" / run().checkpoint(kSteps).filename()));
  expect_whole_metrics(run(), kSteps);
  expect_same_course(RunFolder::at(at("straight")), run());
  if (GetParam().precision == "fp16") {
    EXPECT_THAT(read_file(run().checkpoint(kSteps) / "state.json"),
                testing::Not(testing::HasSubstr("\"skipped_steps\": 0")));
  }
  EXPECT_EQ(fs::read_symlink(run().best()), fs::read_symlink(at("straight") / "best"));
  EXPECT_THAT(leftovers(run().path()), testing::IsEmpty());
}

TEST_F(Kill, AStartThatIsKilledCanBeStartedAgain) {
  write_file(at("text.txt"), small_text(20000));
  const Philox random(2, RandomStream::kTest);
  int before_the_run = 0;
  for (uint32_t i = 0; i < 12; ++i) {
    kill_after(train() + steps(100000), static_cast<int>(random.below(60, i, 0)));
    if (!RunFolder::is_run(run().path())) {
      ++before_the_run;
      continue;
    }
    // A run is complete: it has its data and can go on.
    const ProgramResult resumed = cllm({"resume", "run", "--steps", "3"});
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    fs::remove_all(run().path());
  }
  EXPECT_GT(before_the_run, 0);
  const ProgramResult result = cllm(train() + steps(2));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(leftovers(folder_), testing::IsEmpty());
}

TEST_F(Kill, WhatAKilledWriterLeftIsNoCheckpointAndGoes) {
  ASSERT_EQ(cllm(train() + steps(4) + set({"checkpoint.every=2"})).code, 0);
  fs::copy(run().checkpoint(2), run().checkpoints() / ".tmp-step-000009",
           fs::copy_options::recursive);
  fs::copy(run().checkpoint(2), run().checkpoints() / ".tmp-step-000002.old",
           fs::copy_options::recursive);
  write_file(run().path() / ".tmp-report.svg", "half");
  write_file(run().path() / ".lock", "");
  ASSERT_EQ(fs::remove(run().latest()), true);
  const ProgramResult result = cllm({"resume", "run", "--steps", "6"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("resuming from step 4 of 6"));
  EXPECT_THAT(leftovers(run().path()), testing::IsEmpty());
  EXPECT_EQ(fs::read_symlink(run().latest()), fs::path("checkpoints/step-000006"));
}

TEST_F(Kill, ATornMetricsLineIsMendedByResume) {
  ASSERT_EQ(cllm(train() + steps(5) + set({"checkpoint.every=2"})).code, 0);
  fs::remove_all(run().checkpoint(5));
  std::string metrics = read_file(run().metrics());
  write_file(run().metrics(), metrics.substr(0, metrics.size() - 20));
  const ProgramResult result = cllm({"resume", "run"});
  ASSERT_EQ(result.code, 0) << result.err;
  expect_whole_metrics(run(), 5);
}

}  // namespace
}  // namespace cllm::cli
