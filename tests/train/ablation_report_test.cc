#include "train/ablation_report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "train/ablation_rig.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(AblationReport, SaysWhatHolds) {
  const std::string better = ablation_markdown(result_of(2, 1.5), "cllm ablate a-name");
  EXPECT_THAT(better, HasSubstr("with lowers the held-out loss against plain: **supported**"));
  EXPECT_THAT(better, HasSubstr("-0.5040 ± 0.0050 nats per token at equal steps"));
  EXPECT_THAT(better, HasSubstr("| with | `a.b=1` | 1.00 k | 1.2e+05 | 1.0 |"));
  EXPECT_THAT(better, HasSubstr("`cllm ablate a-name`"));
  EXPECT_THAT(better, HasSubstr("the order of the data (yes"));
  EXPECT_THAT(better, HasSubstr("the first values of 1 of the 1 parameters"));
  const std::string first = hash64_hex(hash64("first", 5));
  for (const char* arm : {"plain", "with"})
    EXPECT_THAT(better, HasSubstr(fmt::format("| {} | 2 | order | {} |\n", arm, first)));
  EXPECT_THAT(ablation_markdown(result_of(1.5, 2), "c"), HasSubstr("**refuted**"));
  EXPECT_THAT(ablation_markdown(result_of(2, 2.004), "c"), HasSubstr("**within noise**"));
}

TEST(AblationReport, JudgesTimeWhereItIsClaimed) {
  AblationResult result = result_of(2, 2);
  EXPECT_THAT(ablation_markdown(result, "c"), Not(HasSubstr("less time")));
  result.ablation.claims.push_back({"with", "plain", Quantity::kSeconds});
  for (ArmRun& run : result.runs[1])  // 10 to 12 % less
    run.figures[Quantity::kSeconds] = 0.91 - 0.01 * static_cast<double>(run.seed);
  const std::string text = ablation_markdown(result, "c");
  EXPECT_THAT(text,
              HasSubstr("with takes less time per token than plain: **supported**, -11.0 ± "));
  EXPECT_EQ(nlohmann::json::parse(ablation_json(result, "c"))["claims"][1]["verdict"], "supported");
  result.runs[1][0].figures[Quantity::kSeconds] = 2;
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
  const std::string first = hash64_hex(hash64("first", 5)), other = hash64_hex(hash64("other", 5));
  EXPECT_THAT(text, HasSubstr(fmt::format("| with | 2 | order | {} |\n", other)));
  EXPECT_THAT(text, HasSubstr(fmt::format("| with | 3 | another | {} |\n", first)));
}

TEST(AblationReport, OneSeedHasNoVerdict) {
  AblationResult result = result_of(2, 1.5);
  for (auto& runs : result.runs)
    runs.resize(1);
  const std::string text = ablation_markdown(result, "c");
  EXPECT_THAT(text, HasSubstr("one seed tells nothing about noise"));
  EXPECT_THAT(text, Not(HasSubstr("supported")));
  EXPECT_FALSE(nlohmann::json::parse(ablation_json(result, "c"))["claims"][0].contains("verdict"));
}

TEST(AblationReport, IsReadByProgramsToo) {
  const auto json = nlohmann::json::parse(ablation_json(result_of(2, 1.5), "c"));
  EXPECT_EQ(json["claims"][0]["arm"], "with");
  EXPECT_EQ(json["claims"][0]["quantity"], "loss");
  EXPECT_EQ(json["claims"][0]["verdict"], "supported");
  EXPECT_NEAR(json["claims"][0]["difference"], -0.504, 1e-9);
  EXPECT_NEAR(json["arms"][0]["loss"], 2.002, 1e-9);
  EXPECT_EQ(json["arms"][0]["runs"].size(), 3u);
  EXPECT_EQ(json["arms"][0]["runs"][0]["evaluations"].size(), 2u);
}

TEST(AblationReport, TellsArmsThatAreNotTrained) {
  const AblationResult result = compressed_result();
  const std::string text = ablation_markdown(result, "c");
  EXPECT_THAT(text, HasSubstr("a lowers the held-out loss against b: **refuted**, +0.1000 ± 0.0000 "
                              "nats per token, its file +10.00 %."));
  EXPECT_THAT(text, HasSubstr("| a | plain: compressed by gptq, 3 bits |  |  |  | 1100 |"));
  EXPECT_THAT(text, HasSubstr("Only plain is trained"));
  const auto json = nlohmann::json::parse(ablation_json(result, "c"));
  EXPECT_EQ(json["arms"][1]["source"], "plain");
  EXPECT_NEAR(json["arms"][1]["bytes"], 1100, 1e-9);
  EXPECT_FALSE(json["arms"][1]["runs"][0].contains("evaluations"));
}

TEST(AblationPlot, ShowsEveryArmOnEveryAxis) {
  AblationResult result = result_of(2, 1.5);
  for (const PlotAxis axis : {PlotAxis::kStep, PlotAxis::kFlops, PlotAxis::kSeconds,
                              PlotAxis::kParameters, PlotAxis::kBytes}) {
    const std::string svg = ablation_plot(result, axis);
    EXPECT_THAT(svg, HasSubstr(">with<"));
    EXPECT_THAT(svg, HasSubstr(">plain<"));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
  }
  result.runs[0][0].metrics.evaluations[0].loss = NAN;  // a gap, not a broken picture
  EXPECT_THAT(ablation_plot(result, PlotAxis::kStep), Not(HasSubstr("nan")));
}

// An arm without a training has no curve of it; arms of one method are one curve by size.
TEST(AblationPlot, DrawsNoCurveOfWhatWasNotTrained) {
  const AblationResult result = compressed_result();
  for (const PlotAxis axis :
       {PlotAxis::kStep, PlotAxis::kFlops, PlotAxis::kSeconds, PlotAxis::kParameters}) {
    const std::string svg = ablation_plot(result, axis);
    EXPECT_THAT(svg, HasSubstr(">plain<"));
    EXPECT_THAT(svg, Not(HasSubstr(">gptq<")));
    EXPECT_THAT(svg, Not(HasSubstr(">b<")));
  }
  const std::string svg = ablation_plot(result, PlotAxis::kBytes);
  EXPECT_THAT(svg, HasSubstr(">gptq<"));
  EXPECT_THAT(svg, HasSubstr(">b<"));
  EXPECT_THAT(svg, Not(HasSubstr(">a<")));
}

}  // namespace
}  // namespace cllm
