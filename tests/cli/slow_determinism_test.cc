// The same bits for any number of threads.
#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

class Determinism : public TinyRun {
 protected:
  // The final checkpoint's files of a run with everything in it that could depend on threads.
  std::map<std::string, std::string> final_checkpoint(const std::string& out, int threads,
                                                      const Words& numbers = {}) {
    Words words = {
        "train",        "--data", "text.txt", "--out", out,         "--context-length",     "24",
        "--batch-size", "7",      "--steps",  "25",    "--threads", std::to_string(threads)};
    words = words +
            set({"model.layers=2", "model.width=48", "model.heads=3", "model.dropout=0.1",
                 "train.gradient_accumulation_steps=2", "evaluation.every=10"}) +
            set(numbers);
    const ProgramResult result = cllm(words);
    EXPECT_EQ(result.code, 0) << result.err;
    return snapshot(at(out) / "checkpoints" / "step-000025");
  }
};

// In a precision, given as precision.mode.
class DeterminismIn : public Determinism, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Precisions, DeterminismIn, testing::Values("fp32", "bf16", "fp16"));

TEST_P(DeterminismIn, OneToFourThreadsWriteTheSameCheckpoint) {
  const std::string mode = std::string("precision.mode=") + GetParam();
  for (const char* level : {"none", "cheap", "block"}) {
    const Words numbers = {mode, std::string("train.recompute=") + level};
    const std::string first = std::string(level) + "1";
    const auto one = final_checkpoint(first, 1, numbers);
    ASSERT_EQ(one.count("model.safetensors"), 1u);
    for (const int threads : {2, 3, 4}) {
      const std::string out = level + std::to_string(threads);
      EXPECT_EQ(final_checkpoint(out, threads, numbers), one) << out;
      expect_same_course(RunFolder::at(at(first)), RunFolder::at(at(out)));
    }
  }
  EXPECT_EQ(snapshot(at("block1") / "checkpoints"), snapshot(at("none1") / "checkpoints"));
}

TEST_P(DeterminismIn, AnotherPrecisionIsSeenByThisTest) {
  const std::string other = GetParam() == std::string("fp32") ? "bf16" : "fp32";
  EXPECT_NE(final_checkpoint("run1", 1, {std::string("precision.mode=") + GetParam()}),
            final_checkpoint("other", 1, {"precision.mode=" + other}));
}

TEST_F(Determinism, AnotherSeedIsSeenByThisTest) {
  const auto one = final_checkpoint("run1", 1);
  ASSERT_EQ(
      cllm(Words{"train", "--config", "run1/config.toml", "--seed", "7", "--out", "other"}).code,
      0);
  EXPECT_NE(snapshot(at("other") / "checkpoints" / "step-000025"), one);
}

TEST_F(Determinism, AStoredConfigurationRepeatsTheRun) {
  const auto one = final_checkpoint("run1", 1);
  ASSERT_EQ(cllm(Words{"train", "--config", "run1/config.toml", "--out", "again"}).code, 0);
  EXPECT_EQ(snapshot(at("again") / "checkpoints" / "step-000025"), one);
}

}  // namespace
}  // namespace cllm::cli
