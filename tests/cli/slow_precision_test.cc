// 16-bit training on real text: it learns what fp32 learns, and loss scales do what they are for.
#include <nlohmann/json.hpp>

#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

class Precision : public TinyRun {
 protected:
  static constexpr int kSteps = 200, kWarmup = 20;

  void SetUp() override {
    TinyRun::SetUp();
    shakespeare_ = fs::path(CLLM_SHARED_FOLDER) / "data" / "tinyshakespeare.txt";
    if (!fs::exists(shakespeare_)) GTEST_SKIP() << shakespeare_ << " is not there";
  }

  // 100 thousand parameters; saved after the warm-up and at the end.
  ProgramResult shakespeare(const std::string& out, const Words& assignments,
                            const Words& batch = {"train.batch_size=8",
                                                  "model.context_length=64"}) {
    return cllm(Words{"train", "--data", shakespeare_.string(), "--out", out, "--steps",
                      std::to_string(kSteps)} +
                set({"model.layers=2", "model.width=64", "model.heads=2", "tokenizer.kind=char",
                     "optimizer.learning_rate=3e-3", "evaluation.windows=200", "sample.every=0",
                     "evaluation.every=100000", "checkpoint.every=" + std::to_string(kWarmup),
                     "checkpoint.keep=100", "schedule.warmup_steps=" + std::to_string(kWarmup)}) +
                set(batch) + set(assignments));
  }
  int64_t skipped_steps(const std::string& out, int64_t step) const {
    const std::string text = read_file(RunFolder::at(at(out)).checkpoint(step) / "state.json");
    return nlohmann::json::parse(text).at("loss_scale").at("skipped_steps");
  }
  double final_loss(const std::string& out) const {
    const Metrics metrics = read_metrics(RunFolder::at(at(out)).metrics());
    return metrics.evaluations.empty() ? NAN : metrics.evaluations.back().loss;
  }

  // Gradients of so few tokens are large.
  static Words two_tokens() { return {"train.batch_size=1", "model.context_length=2"}; }

  fs::path shakespeare_;
};

// Three runs in fp32 with different seeds end 0.02 apart.
TEST_F(Precision, SixteenBitsEndAtTheLossOfFp32) {
  ASSERT_EQ(shakespeare("fp32", {}).code, 0);
  const double exact = final_loss("fp32");
  EXPECT_LT(exact, 2.6) << "little was learnt";
  const std::vector<std::pair<std::string, Words>> cases = {
      {"bf16", {"precision.mode=bf16"}},
      {"dynamic", {"precision.mode=fp16", "precision.loss_scale=dynamic"}},
      {"1024", {"precision.mode=fp16", "precision.loss_scale=1024"}},
      {"2048", {"precision.mode=fp16", "precision.loss_scale=2048"}}};
  for (const auto& [name, assignments] : cases) {
    const ProgramResult result = shakespeare(name, assignments);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_NEAR(final_loss(name), exact, 0.02) << name;
    EXPECT_EQ(skipped_steps(name, kSteps), skipped_steps(name, kWarmup))
        << name << " skipped a step after the warm-up";
  }
}

// Here the first dynamic scale is too large: steps are skipped and counted, the scale falls, and
// then the run learns.
TEST_F(Precision, ADynamicScaleThatIsTooLargeFalls) {
  const ProgramResult result = shakespeare("run", {"precision.mode=fp16"}, two_tokens());
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, testing::HasSubstr("step skipped"));
  EXPECT_GT(skipped_steps("run", kSteps), 0);
  EXPECT_LT(skipped_steps("run", kSteps), 20);
}

// A fixed one ends the run when it has skipped fifty steps in a row.
TEST_F(Precision, AFixedScaleThatIsTooLargeEndsTheRun) {
  const ProgramResult result =
      shakespeare("run", {"precision.mode=fp16", "precision.loss_scale=16777216"}, two_tokens());
  expect_error(result, 4, {"is not finite"});
  EXPECT_THAT(result.err, testing::HasSubstr("step skipped (49 so far)"));
}

}  // namespace
}  // namespace cllm::cli
