#include "train/ablation_report.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// 2.776 = t of 4 degrees of freedom; the standard error of 1 ... 5 is sqrt(2.5 / 5).
TEST(MeanInterval, IsStudents) {
  const MeanInterval interval = mean_interval({1, 2, 3, 4, 5});
  EXPECT_DOUBLE_EQ(interval.mean, 3);
  EXPECT_NEAR(interval.half_width, 2.776 * std::sqrt(0.5), 1e-9);
  EXPECT_TRUE(std::isinf(mean_interval({7}).half_width));
  EXPECT_EQ(mean_interval({7, 7, 7}).half_width, 0);
}

TEST(JudgeLower, ComparesSeedBySeed) {
  // The seeds scatter by 1, the difference only by 0.01.
  const std::vector<double> base = {1, 2, 3}, better = {0.91, 1.9, 2.89}, same = {1.1, 1.9, 3.01};
  EXPECT_EQ(judge_lower(better, base), Verdict::kSupported);
  EXPECT_EQ(judge_lower(base, better), Verdict::kRefuted);
  EXPECT_EQ(judge_lower(same, base), Verdict::kWithinNoise);
  EXPECT_EQ(judge_lower({1}, {2}), Verdict::kWithinNoise) << "one seed shows nothing";
  EXPECT_EQ(judge_lower({NAN, 1, 1}, base), Verdict::kWithinNoise) << "nor does a NaN";
}

ArmRun run_of(uint64_t seed, double loss, const std::string& order, const std::string& initial) {
  ArmRun run;
  run.seed = seed;
  run.parameters = 1000;
  run.flops_per_token = 6000;
  run.order_hash = order;
  run.initial_hashes = {{"head.weight", initial}};
  for (const int64_t step : {1, 2}) {
    run.metrics.steps.push_back(
        {.step = step, .loss = 3, .tokens = 10 * step, .seconds = 0.5 * static_cast<double>(step)});
    run.metrics.evaluations.push_back({.step = step, .loss = loss + 2 - static_cast<double>(step)});
  }
  return run;
}

AblationResult result_of(double plain, double technique) {
  AblationResult result{
      {"a-name", "lowers the held-out loss", {{"plain", {}}, {"with", {"a.b=1"}}}}, 2, {{}, {}}};
  for (const uint64_t seed : {1, 2, 3}) {
    const double noise = 0.001 * static_cast<double>(seed);
    result.runs[0].push_back(run_of(seed, plain + noise, "order", "first"));
    result.runs[1].push_back(run_of(seed, technique - noise, "order", "first"));
  }
  return result;
}

TEST(AblationReport, SaysWhatHolds) {
  const std::string better = ablation_markdown(result_of(2, 1.5), "cllm ablate a-name");
  EXPECT_THAT(better, HasSubstr("with lowers the held-out loss against plain: **supported**"));
  EXPECT_THAT(better, HasSubstr("-0.5040 ± 0.0050 nats per token at equal steps"));
  EXPECT_THAT(better, HasSubstr("| with | `a.b=1` | 1.00 k | 1.2e+05 | 1.0 |"));
  EXPECT_THAT(better, HasSubstr("`cllm ablate a-name`"));
  EXPECT_THAT(better, HasSubstr("the order of the data (yes"));
  EXPECT_THAT(better, HasSubstr("the first values of 1 of the 1 parameters"));
  EXPECT_THAT(ablation_markdown(result_of(1.5, 2), "c"), HasSubstr("**refuted**"));
  EXPECT_THAT(ablation_markdown(result_of(2, 2.004), "c"), HasSubstr("**within noise**"));
}

TEST(AblationReport, JudgesTimeWhereItIsClaimed) {
  AblationResult result = result_of(2, 2);
  EXPECT_THAT(ablation_markdown(result, "c"), Not(HasSubstr("less time")));
  result.ablation.claims_time = true;
  for (ArmRun& run : result.runs[1])  // 10 to 12 % less
    run.metrics.steps.back().seconds = 0.91 - 0.01 * static_cast<double>(run.seed);
  const std::string text = ablation_markdown(result, "c");
  EXPECT_THAT(text,
              HasSubstr("with takes less time per token than plain: **supported**, -11.0 ± "));
  EXPECT_EQ(nlohmann::json::parse(ablation_json(result, "c"))["arms"][1]["time_verdict"],
            "supported");
  result.runs[1][0].metrics.steps.back().seconds = 2;
  EXPECT_THAT(ablation_markdown(result, "c"), HasSubstr("than plain: **within noise**"));
}

TEST(AblationReport, SeesArmsThatAreNotComparable) {
  AblationResult result = result_of(2, 1.5);
  result.runs[1][2].order_hash = "another";
  result.runs[1][1].initial_hashes = {{"head.weight", "other"}, {"extra", "e"}};
  const std::string text = ablation_markdown(result, "c");
  EXPECT_THAT(text, HasSubstr("the order of the data (NO"));
  EXPECT_THAT(text, HasSubstr("of 0 of the 1 parameters"));
  EXPECT_THAT(text, HasSubstr("Only in some arms: extra."));
}

TEST(AblationReport, OneSeedHasNoVerdict) {
  AblationResult result = result_of(2, 1.5);
  for (auto& runs : result.runs)
    runs.resize(1);
  const std::string text = ablation_markdown(result, "c");
  EXPECT_THAT(text, HasSubstr("one seed tells nothing about noise"));
  EXPECT_THAT(text, Not(HasSubstr("supported")));
  EXPECT_FALSE(nlohmann::json::parse(ablation_json(result, "c"))["arms"][1].contains("verdict"));
}

TEST(AblationReport, IsReadByProgramsToo) {
  const auto json = nlohmann::json::parse(ablation_json(result_of(2, 1.5), "c"));
  EXPECT_EQ(json["arms"][1]["verdict"], "supported");
  EXPECT_NEAR(json["arms"][1]["difference"], -0.504, 1e-9);
  EXPECT_EQ(json["arms"][0]["runs"].size(), 3u);
  EXPECT_EQ(json["arms"][0]["runs"][0]["evaluations"].size(), 2u);
}

TEST(AblationPlot, ShowsEveryArmOnEveryAxis) {
  AblationResult result = result_of(2, 1.5);
  for (const PlotAxis axis :
       {PlotAxis::kStep, PlotAxis::kFlops, PlotAxis::kSeconds, PlotAxis::kParameters}) {
    const std::string svg = ablation_plot(result, axis);
    EXPECT_THAT(svg, HasSubstr(">with<"));
    EXPECT_THAT(svg, HasSubstr(">plain<"));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
  }
  result.runs[0][0].metrics.evaluations[0].loss = NAN;  // a gap, not a broken picture
  EXPECT_THAT(ablation_plot(result, PlotAxis::kStep), Not(HasSubstr("nan")));
}

TEST(Ablations, HaveABaselineAndNamesOfTheirOwn) {
  for (const Ablation& ablation : ablations()) {
    EXPECT_GE(ablation.arms.size(), 2u) << ablation.name;
    EXPECT_EQ(&find_ablation(ablation.name), &ablation);
  }
  try {
    find_ablation("ngram-memori");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_THAT(error.what(), HasSubstr("ngram-memory"));
  }
}

}  // namespace
}  // namespace cllm
