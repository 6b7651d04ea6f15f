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

// In a precision (precision.mode) and a way of sharing a step (parallel.mode), perhaps with a
// technique of src/crystal.
struct Way {
  std::string precision, parallel;
  std::string technique = {};  // its name in the test's
  Words more = {};
  Words settings() const {
    return Words{"precision.mode=" + precision, "parallel.mode=" + parallel} + more;
  }
};
const Words kNgrams = {"model.ngram_order=4", "model.ngram_rows=64", "model.ngram_dropout=0.3"};
const Words kPrior = {"model.prior_order=5"};
const Words kFactorised = {"model.embedding=factorised", "model.embedding_width=12"};
const Words kComposite = {"model.embedding=composite", "model.embedding_dense_rows=5",
                          "tokenizer.kind=bpe", "tokenizer.vocabulary_size=800"};
const Words kLattice = {"model.embedding=lattice"};
class DeterminismIn : public Determinism, public testing::WithParamInterface<Way> {
 protected:
  void SetUp() override {
    Determinism::SetUp();
    if (GetParam().technique == "_composite") write_file(at("text.txt"), many_words());
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, DeterminismIn,
                         testing::Values(Way{"fp32", "batch", "_lattice", kLattice},
                                         Way{"fp32", "operation"}, Way{"bf16", "operation"},
                                         Way{"fp16", "operation"}, Way{"fp32", "batch"},
                                         Way{"bf16", "batch"}, Way{"fp16", "batch"},
                                         Way{"bf16", "operation", "_ngrams", kNgrams},
                                         Way{"fp32", "batch", "_ngrams", kNgrams},
                                         Way{"fp32", "operation", "_factorised", kFactorised},
                                         Way{"bf16", "batch", "_composite", kComposite},
                                         Way{"bf16", "operation", "_prior", kPrior},
                                         Way{"fp32", "batch", "_prior", kPrior}),
                         [](const auto& test) {
                           return test.param.precision + "_" + test.param.parallel +
                                  test.param.technique;
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
