#include "train/derived_arm.h"

#include <gmock/gmock.h>

#include "train/interrupted.h"
#include "train/run_rig.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

class Derived : public RunTest {
 protected:
  RunSettings without_samples() const {
    RunSettings wanted = settings();
    wanted.sample.every = 0;
    wanted.model.embedding = nn::EmbeddingKind::kDense;
    return wanted;
  }
  DerivedInputs inputs(
      const RunFolder& run, const std::function<void()>& check = [] {}) {
    return {run, 6, engine_, check};
  }
  Figures make(const std::string& run, const DerivedArm& arm, const std::string& place) {
    const RunFolder folder = at(run);
    return derive(arm, inputs(folder), folder_ / place);
  }
  static DerivedArm compressed(double bits) {
    return {"run", CompressedArm{QuantiseMethod::kLllKbest, bits}};
  }
  static DerivedArm choice(int64_t candidates) {
    return {"run", ChoiceArm{ChoiceArm::By::kSignatures, {.candidates = candidates}}};
  }
};

// A weight in bf16 is off by 2^-9 of itself, in any sum of a dozen products with logits around 1 by
// less than 0.01: so the windows are those of the run's evaluations, in every way to share a step
// and also where they are limited.
TEST_F(Derived, IsMeasuredAsTheRunIs) {
  using Mode = ParallelSettings::Mode;
  int number = 0;
  for (const Mode mode : {Mode::kOperation, Mode::kBatch})
    for (const auto reduction :
         {ParallelSettings::Reduction::kTree, ParallelSettings::Reduction::kFixed}) {
      if (mode == Mode::kOperation && reduction != ParallelSettings::Reduction::kTree) continue;
      RunSettings wanted = without_samples();
      wanted.parallel.mode = mode;
      wanted.parallel.reduction = reduction;
      wanted.evaluation.windows = 7;
      const std::string name = fmt::format("run-{}", number++);
      const RunResult result = start(wanted, name);
      const Figures figures = make(name, {"run", RoundedArm{}}, name + "-bf16");
      EXPECT_NEAR(figures.at(Quantity::kLoss), result.last.loss, 0.01) << name;
      const auto whole = static_cast<double>(model_file_bytes(result.checkpoint));
      EXPECT_LT(figures.at(Quantity::kBytes), 0.8 * whole);
      EXPECT_GT(figures.at(Quantity::kBytes), 0.5 * whole);
    }
}

TEST_F(Derived, CompressesTheModelOfTheRun) {
  const RunResult result = start(without_samples(), "run");
  const Figures fine = make("run", compressed(10), "fine"),
                coarse = make("run", compressed(2), "c");
  // 10 bits leave 2^-10 of a weight's spread.
  EXPECT_NEAR(fine.at(Quantity::kLoss), result.last.loss, 0.01);
  EXPECT_LT(coarse.at(Quantity::kBytes), fine.at(Quantity::kBytes));
  EXPECT_EQ(fine.at(Quantity::kBytes), static_cast<double>(model_file_bytes(folder_ / "fine")));
  EXPECT_NE(coarse.at(Quantity::kLoss), fine.at(Quantity::kLoss));
}

// At the model's own width the stream is only turned.
TEST_F(Derived, ResizesTheModelOfTheRun) {
  RunSettings wanted = without_samples();
  const int64_t width = wanted.model.width;
  const RunResult result = start(wanted, "run");
  const auto resized = [](ResizeMethod method, int64_t to) {
    return DerivedArm{"run", ResizedArm{method, to}};
  };
  EXPECT_EQ(description(resized(ResizeMethod::kPca, 64)), "run: resized to width 64 by pca");
  const Figures turned = make("run", resized(ResizeMethod::kPca, width), "turned");
  EXPECT_NEAR(turned.at(Quantity::kLoss), result.last.loss, 1e-3);
  const Figures cut = make("run", resized(ResizeMethod::kPca, width / 2), "cut");
  EXPECT_LT(cut.at(Quantity::kBytes), turned.at(Quantity::kBytes));
  EXPECT_EQ(cut.at(Quantity::kBytes), static_cast<double>(model_file_bytes(folder_ / "cut")));
  fs::remove(folder_ / "cut.json");
  EXPECT_EQ(make("run", resized(ResizeMethod::kPca, width / 2), "cut"), cut) << "made again";
  EXPECT_NE(make("run", resized(ResizeMethod::kSlice, width / 2), "slice").at(Quantity::kLoss),
            cut.at(Quantity::kLoss));
}

// Stopped at any place, it goes on to the same figures and the same model.
TEST_F(Derived, SurvivesAStop) {
  start(without_samples(), "run");
  const RunFolder run = at("run");
  const std::string whole =
      (make("run", compressed(3), "whole"), read_file(folder_ / "whole.json"));
  int stops = 0;
  for (int allowed = 1;; allowed += 4) {
    int calls = 0;
    const auto check = [&] {
      if (++calls > allowed) throw Interrupted("stopped");
    };
    try {
      derive(compressed(3), inputs(run, check), folder_ / "stopped");
      break;
    } catch (const Interrupted&) {
      EXPECT_FALSE(fs::exists(folder_ / "stopped.json"));
      ++stops;
    }
  }
  EXPECT_GT(stops, 3);
  EXPECT_EQ(read_file(folder_ / "stopped.json"), whole);
  EXPECT_EQ(read_file(folder_ / "stopped" / "model.safetensors"),
            read_file(folder_ / "whole" / "model.safetensors"));
  EXPECT_FALSE(fs::exists(folder_ / "stopped.unfinished"));
}

TEST_F(Derived, ReadsWhatIsStoredAndRefusesWhatIsDamaged) {
  start(without_samples(), "run");
  write_file(folder_ / "kept.json", R"({"loss": 7})");
  EXPECT_EQ(make("run", compressed(3), "kept"), (Figures{{Quantity::kLoss, 7}}));
  write_file(folder_ / "kept.json", R"({"loss")");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { make("run", compressed(3), "kept"); }),
              HasSubstr("holds no figures"));
  make("run", compressed(3), "model");
  fs::remove(folder_ / "model.json");
  write_file(folder_ / "model" / "config.json", "{}");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { make("run", compressed(3), "model"); }),
              HasSubstr("config.json"));
}

// Six steps of a tiny network know less of the text than its counts, and a weight chosen on the
// other half of the text may lose a little against the better of both.
TEST_F(Derived, CountsPredictTheSameWindows) {
  const RunResult result = start(without_samples(), "run");
  const double counts = make("run", {"run", CountsArm{3}}, "kn").at(Quantity::kLoss);
  const double both = make("run", {"run", CountsArm{3, true}}, "both").at(Quantity::kLoss);
  EXPECT_LT(counts, result.last.loss - 0.5);
  EXPECT_GT(counts, 0.1);
  EXPECT_LT(both, counts + 0.05);
}

TEST_F(Derived, ChoosesFromCandidates) {
  start(without_samples(), "run");  // 26 characters
  const Figures few = make("run", choice(8), "few");
  const Figures gcd =
      make("run", {"run", ChoiceArm{ChoiceArm::By::kGcdOfIds, {.candidates = 8}}}, "gcd");
  const Figures all = make("run", {"run", ChoiceArm{}}, "all");
  EXPECT_EQ(all.at(Quantity::kRecall1), 1);
  EXPECT_EQ(all.at(Quantity::kRecall40), 1);
  EXPECT_GT(few.at(Quantity::kRecall1), 0.95);
  EXPECT_LT(gcd.at(Quantity::kRecall1), few.at(Quantity::kRecall1));
  EXPECT_GT(few.at(Quantity::kChoiceSeconds), 0);
  EXPECT_GT(few.at(Quantity::kChoiceShare), 0);
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { make("run", choice(500), "too-many"); }),
              HasSubstr("500 candidates are all of its"));
}

TEST_F(Derived, IsRefusedBeforeATraining) {
  const auto refusal = [](const DerivedArm& arm, const std::function<void(RunSettings&)>& change) {
    RunSettings settings;
    settings.tokenizer.kind = TokenizerSettings::Kind::kBpe;
    change(settings);
    return error_of(ErrorKind::kUsage, [&] { refuse_underivable(arm, settings); });
  };
  EXPECT_THAT(refusal(compressed(3),
                      [](RunSettings& s) { s.model.embedding = nn::EmbeddingKind::kLattice; }),
              HasSubstr("model.embedding"));
  const DerivedArm half{"run", ResizedArm{ResizeMethod::kPca, 64}};
  EXPECT_THAT(refusal(half, [](RunSettings& s) { s.model.width = 32; }), HasSubstr("64 is above"));
  EXPECT_THAT(
      refusal(half, [](RunSettings& s) { s.model.embedding = nn::EmbeddingKind::kFactorised; }),
      HasSubstr("dense embedding"));
  EXPECT_THAT(refusal(choice(512), [](RunSettings& s) { s.model.prior_order = 3; }),
              HasSubstr("model.prior_order"));
  EXPECT_THAT(refusal(choice(512),
                      [](RunSettings& s) { s.model.embedding = nn::EmbeddingKind::kFactorised; }),
              HasSubstr("no row of its own"));
  EXPECT_THAT(refusal(choice(512),
                      [](RunSettings& s) { s.tokenizer.kind = TokenizerSettings::Kind::kAuto; }),
              HasSubstr("tokenizer.kind"));
  EXPECT_THAT(refusal(choice(512), [](RunSettings& s) { s.tokenizer.vocabulary_size = 512; }),
              HasSubstr("tokenizer.vocabulary_size"));
  RunSettings good;
  good.tokenizer.kind = TokenizerSettings::Kind::kBpe;
  EXPECT_NO_THROW(refuse_underivable(choice(512), good));
  EXPECT_NO_THROW(refuse_underivable(compressed(3), good));
}

}  // namespace
}  // namespace cllm
