#include "train/ablation.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "runlog/run_lock.h"
#include "train/ablation_report.h"
#include "train/compress.h"
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

// Killed while it wrote what the ablation is.
TEST_F(AblationTest, AStartThatWasKilledIsStartedAgain) {
  const fs::path half = temporary_of(folder_ / "out" / "ablation.toml");
  fs::create_directory(folder_ / "out");
  write_file(half, "# ma");
  EXPECT_EQ(report_of(run(kMade, "out")), report_of(run(kMade, "whole")));
  EXPECT_FALSE(fs::exists(half));
  fs::create_directory(folder_ / "mine");
  write_file(temporary_of(folder_ / "mine" / "ablation.toml"), "# ma");
  write_file(folder_ / "mine" / "mine.txt", "mine");
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { run(kMade, "mine"); }),
              ::testing::HasSubstr("is not empty"));
}

// Killed while it measured how fast the arms are, or as it wrote what that gave.
TEST_F(AblationTest, AMeasurementThatWasKilledIsMadeAgain) {
  AblationPlan hurried = plan();
  hurried.budget = 1e-6;
  const fs::path out = folder_ / "out";
  const auto start = [&](const RunControls& controls) {
    return run_ablation(kMade, hurried, out, "a test", log_, controls);
  };
  EXPECT_THROW(start({[] { return RunRequest::kStop; }}), Interrupted);
  fs::create_directory(out / "probe");
  write_file(out / "probe" / "config.toml", "half");
  write_file(temporary_of(out / "steps"), "9");
  EXPECT_EQ(start({}).steps, 1);
  EXPECT_FALSE(fs::exists(out / "probe"));
  EXPECT_FALSE(fs::exists(temporary_of(out / "steps")));
}

// Killed after the last checkpoint, before the links and the report.
TEST_F(AblationTest, ARunThatWasKilledAtItsEndIsCompleted) {
  const nlohmann::json whole = report_of(run(kMade, "out"));
  const RunFolder model = at("out/runs/model-seed-1");
  const std::vector<fs::path> last = {model.report(), model.metrics_csv(), model.latest(),
                                      model.best()};
  for (const fs::path& path : last)
    fs::remove(path);
  write_file(RunLock::file(model.path()), "");
  write_file(temporary_of(model.report()), "<svg");
  EXPECT_EQ(report_of(run(kMade, "out")), whole);
  for (const fs::path& path : last)
    EXPECT_TRUE(fs::exists(path)) << path;
  EXPECT_FALSE(fs::exists(RunLock::file(model.path())));
  EXPECT_FALSE(fs::exists(temporary_of(model.report())));
}

// Killed after a compressed model was in place, before its records were gone.
TEST_F(AblationTest, RecordsOfAFinishedModelAreRemoved) {
  const nlohmann::json whole = report_of(run(kMade, "out"));
  const fs::path place = folder_ / "out" / "derived" / "bits-seed-1";
  auto job = nlohmann::json::parse(read_file(place / kCompressionFile));
  job.erase("coded_weights");
  job.erase("coded_bytes");
  job["instruction_set"] = "any";
  const fs::path unfinished = unfinished_folder(place);
  fs::create_directory(unfinished);
  write_file(unfinished / "job.json", job.dump());
  write_file(unfinished / "matrix-00000", "CLX1");
  fs::remove(fs::path(place) += ".json");
  EXPECT_EQ(report_of(run(kMade, "out")), whole);
  EXPECT_FALSE(fs::exists(unfinished));
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
