// Exact reductions: the same bytes however a step's sequences are split into batches, for any
// number of threads, and after kills.
#include <fmt/format.h>

#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

constexpr int kSteps = 12;

// Batches, micro-batches of a step, and threads: 64 sequences.
struct Split {
  int batch_size, accumulation, threads;
};

class Exact : public TinyRun {
 protected:
  // 64 sequences of 16 tokens per step; an epoch has some 300, so batches go over its end. With
  // what could depend on the split: a memory of n-grams, an average of the weights, evaluations of
  // some windows and a best checkpoint, samples.
  static Words training(const std::string& out, const Split& split, const Words& settings,
                        int count = kSteps) {
    return Words{"train",
                 "--data",
                 "text.txt",
                 "--out",
                 out,
                 "--context-length",
                 "16",
                 "--batch-size",
                 std::to_string(split.batch_size),
                 "--threads",
                 std::to_string(split.threads)} +
           steps(count) +
           set({"model.layers=2", "model.width=32", "model.heads=2", "model.ngram_order=3",
                "model.ngram_rows=64", "schedule.warmup_steps=2", "train.ema_decay=0.9",
                "evaluation.every=4", "evaluation.windows=20", "sample.every=6", "sample.tokens=8",
                "parallel.mode=batch",
                fmt::format("train.gradient_accumulation_steps={}", split.accumulation)}) +
           set(settings);
  }
  // Every file of every checkpoint.
  std::map<std::string, std::string> checkpoints(const std::string& out, const Split& split,
                                                 const Words& settings, int count = kSteps) {
    const ProgramResult result = cllm(training(out, split, settings, count));
    EXPECT_EQ(result.code, 0) << result.err;
    return snapshot(at(out) / "checkpoints");
  }
};

// A precision and a reduction, with dropout.
struct Way {
  std::string precision, reduction;
  Words settings() const {
    return {"precision.mode=" + precision, "parallel.reduction=" + reduction, "model.dropout=0.1",
            "model.ngram_dropout=0.3"};
  }
};
class ExactIn : public Exact, public testing::WithParamInterface<Way> {};
INSTANTIATE_TEST_SUITE_P(Ways, ExactIn,
                         testing::Values(Way{"fp32", "fixed"}, Way{"bf16", "fixed"},
                                         Way{"fp16", "fixed"}, Way{"fp32", "super"},
                                         Way{"bf16", "super"}, Way{"fp16", "super"}),
                         [](const auto& test) {
                           return test.param.precision + "_" + test.param.reduction;
                         });

// state.json and manifest.json are among the files: the hash that is printed is the same too.
TEST_P(ExactIn, AnySplitAndNumberOfThreadsWriteTheSameCheckpoints) {
  const auto first = checkpoints("first", {64, 1, 1}, GetParam().settings());
  ASSERT_EQ(first.count(fmt::format("step-{:06}/model.safetensors", kSteps)), 1u);
  ASSERT_EQ(first.count(fmt::format("step-{:06}/optimizer.safetensors", kSteps)), 1u);
  for (const int batch_size : {1, 4, 16, 64}) {
    for (const int threads : {1, 2, 3, 4}) {
      const Split split = {batch_size, 64 / batch_size, threads};
      const std::string out = fmt::format("{}x{}-{}", batch_size, split.accumulation, threads);
      EXPECT_TRUE(checkpoints(out, split, GetParam().settings()) == first) << out;
      expect_same_course(RunFolder::at(at("first")), RunFolder::at(at(out)));
    }
  }
  const Words more_shards = GetParam().settings() + Words{"parallel.shards=7"};
  EXPECT_TRUE(checkpoints("shards", {16, 4, 3}, more_shards) == first);
}

TEST_P(ExactIn, KilledAndResumedItEndsAsAnotherSplit) {
  constexpr int kLong = 80;
  const Words settings = GetParam().settings() + Words{"checkpoint.every=10"};
  checkpoints("straight", {64, 1, 2}, settings, kLong);
  int kills = 0;
  for (const int target : {5, 17, 38, 52}) {
    RunningProgram program(
        target == 5 ? training("run", {4, 16, 3}, settings, kLong) : Words{"resume", "run"},
        options_);
    ASSERT_TRUE(wait_for_steps(target)) << program.err();
    program.signal(SIGKILL);
    kills += program.wait().code == 128 + SIGKILL;
  }
  EXPECT_EQ(kills, 4);
  const ProgramResult last = cllm({"resume", "run"});
  ASSERT_EQ(last.code, 0) << last.err;
  EXPECT_EQ(snapshot(run().checkpoint(kLong)),
            snapshot(RunFolder::at(at("straight")).checkpoint(kLong)));
  expect_same_course(RunFolder::at(at("straight")), run());
}

TEST_F(Exact, ATreeDependsOnTheSplit) {
  for (const char* precision : {"fp32", "bf16", "fp16"}) {
    // Without dropout: it is the sums that differ.
    const Words settings = {std::string("precision.mode=") + precision};
    const std::string name = precision;
    EXPECT_FALSE(checkpoints(name + "1", {64, 1, 2}, settings) ==
                 checkpoints(name + "2", {16, 4, 2}, settings))
        << "what the other tests look for";
  }
}

TEST_F(Exact, ItsMemoryIsInThePlan) {
  const auto gradients = [&](const std::string& reduction) {
    const ProgramResult result =
        cllm(Words{"plan", "--preset", "nano", "--no-timing", "--json", "--batch-size", "8"} +
             set({"model.vocabulary_size=65", "parallel.mode=batch",
                  "parallel.reduction=" + reduction}));
    EXPECT_EQ(result.code, 0) << result.err;
    const size_t place = result.out.find("\"gradients\": ");
    EXPECT_NE(place, std::string::npos) << result.out;
    return std::atoll(result.out.c_str() + place + 13);
  };
  // Four gradients of a part of the batch; 16 and 56 bytes per weight more.
  const auto tree = static_cast<double>(gradients("tree"));
  EXPECT_NEAR(static_cast<double>(gradients("fixed")) / tree, 2.0, 0.01);
  EXPECT_NEAR(static_cast<double>(gradients("super")) / tree, 4.5, 0.01);
}

TEST_F(Exact, RefusesToShareOperations) {
  const ProgramResult result = cllm(train() + set({"parallel.reduction=fixed"}));
  expect_error(result, 2, {"parallel.reduction", "parallel.mode=batch"});
}

}  // namespace
}  // namespace cllm::cli
