#include "train/ablation.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "train/ablation_report.h"
#include "train/interrupted.h"
#include "train/run_rig.h"

namespace cllm {
namespace {

class AblationTest : public RunTest {
 protected:
  AblationPlan plan() const { return {settings(), 2, 0}; }

  AblationResult run(const Ablation& ablation, const std::string& out,
                     const RunControls& controls = {}) {
    return run_ablation(ablation, plan(), folder_ / out, "a test", log_, controls);
  }
  // The report without the seconds of training, which no two machines share.
  static nlohmann::json report_of(AblationResult result) {
    for (auto& runs : result.runs)
      for (ArmRun& made : runs)
        made.figures.erase(Quantity::kSeconds);
    return nlohmann::json::parse(ablation_json(result, "c"));
  }
};

const Ablation kMade = {"made",
                        {{"model", {}},
                         {"bits", {}, DerivedArm{"model", CompressedArm{QuantiseMethod::kGptq, 3}}},
                         {"both", {}, DerivedArm{"model", CountsArm{3, true}}}},
                        {{"bits", "model", Quantity::kLoss}, {"both", "model", Quantity::kLoss}}};

TEST_F(AblationTest, StoppedAnywhereGivesTheSameReport) {
  const nlohmann::json whole = report_of(run(kMade, "whole"));
  ASSERT_EQ(whole["claims"].size(), 2u);
  EXPECT_EQ(whole["claims"][1]["verdict"], "supported") << "counts help six steps of training";
  int stops = 0;
  for (int allowed = 2;; allowed += 19) {
    int calls = 0;
    const auto poll = [&] { return ++calls > allowed ? RunRequest::kStop : RunRequest::kNone; };
    try {
      EXPECT_EQ(report_of(run(kMade, "stopped", {poll})), whole);
      break;
    } catch (const Interrupted&) {
      ++stops;
    }
  }
  EXPECT_GT(stops, 3);
  EXPECT_EQ(report_of(run(kMade, "stopped")), whole) << "nothing is made again";
}

// How tasks are shared and ordered belongs to the engine, which is made of an arm's own settings.
TEST_F(AblationTest, EveryArmHasAnEngineOfItsOwn) {
  const Ablation threads = {"threads",
                            {{"one", {"train.threads=1"}}, {"two", {"train.threads=2"}}},
                            {{"two", "one", Quantity::kSeconds}}};
  const AblationResult result = run(threads, "threads");
  for (const auto& [name, count] : {std::pair("one", 1), std::pair("two", 2)}) {
    const fs::path run = folder_ / "threads" / "runs" / fmt::format("{}-seed-1", name);
    EXPECT_EQ(nlohmann::json::parse(read_file(run / "env.json"))["threads"], count);
  }
  EXPECT_EQ(result.runs[0][0].figures.at(Quantity::kLoss),
            result.runs[1][0].figures.at(Quantity::kLoss))
      << "the same bits for any number of threads";
}

// Whatever a machine does meanwhile then falls on both.
TEST_F(AblationTest, ArmsTakeTurnsInBeingFirst) {
  const Ablation twins = {"twins", {{"a", {}}, {"b", {}}}, {{"b", "a", Quantity::kSeconds}}};
  run(twins, "twins");
  const std::string log = messages();
  EXPECT_LT(log.find("a with seed 1"), log.find("b with seed 1"));
  EXPECT_GT(log.find("a with seed 2"), log.find("b with seed 2"));
}

TEST_F(AblationTest, RefusesBeforeItTrains) {
  const Ablation choice = {
      "choice",
      {{"model", {}}, {"few", {}, DerivedArm{"model", ChoiceArm{ChoiceArm::By::kSignatures, {}}}}},
      {{"few", "model", Quantity::kChoiceShare}}};
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { run(choice, "choice"); }),
              ::testing::HasSubstr("tokenizer.kind"));
  EXPECT_FALSE(fs::exists(folder_ / "choice"));
}

}  // namespace
}  // namespace cllm
