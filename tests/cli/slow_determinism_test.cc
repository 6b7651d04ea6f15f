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

// In a precision (precision.mode) and a way of sharing a step (parallel.mode).
struct Way {
  std::string precision, parallel;
  std::string ngram_order = "0";
  Words settings() const {
    return {"precision.mode=" + precision, "parallel.mode=" + parallel,
            "model.ngram_order=" + ngram_order, "model.ngram_rows=64", "model.ngram_dropout=0.3"};
  }
};
class DeterminismIn : public Determinism, public testing::WithParamInterface<Way> {};
INSTANTIATE_TEST_SUITE_P(Ways, DeterminismIn,
                         testing::Values(Way{"fp32", "operation"}, Way{"bf16", "operation"},
                                         Way{"fp16", "operation"}, Way{"fp32", "batch"},
                                         Way{"bf16", "batch"}, Way{"fp16", "batch"},
                                         Way{"bf16", "operation", "4"}, Way{"fp32", "batch", "4"}),
                         [](const auto& test) {
                           return test.param.precision + "_" + test.param.parallel +
                                  (test.param.ngram_order == "0" ? "" : "_ngrams");
                         });

TEST_P(DeterminismIn, OneToFourThreadsWriteTheSameCheckpoint) {
  for (const char* level : {"none", "cheap", "block"}) {
    const Words numbers = GetParam().settings() + Words{std::string("train.recompute=") + level};
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
  Way other = GetParam();
  other.precision = other.precision == "fp32" ? "bf16" : "fp32";
  EXPECT_NE(final_checkpoint("run1", 1, GetParam().settings()),
            final_checkpoint("other", 1, other.settings()));
}

// Sums are taken in another order, and dropout masks belong to shards.
TEST_P(DeterminismIn, AnotherWayOfSharingIsSeenByThisTest) {
  Way other = GetParam();
  other.parallel = other.parallel == "batch" ? "operation" : "batch";
  EXPECT_NE(final_checkpoint("run1", 1, GetParam().settings()),
            final_checkpoint("other", 1, other.settings()));
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
