#include "train/ablation_claim.h"

#include <gmock/gmock.h>

#include <cmath>

#include "train/ablation_rig.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

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

TEST(AblationClaim, IsRefutedByWhatIsWorse) {
  const AblationClaim claim{"with", "plain", Quantity::kLoss};
  EXPECT_EQ(judge(result_of(2, 1.5), claim).verdict, Verdict::kSupported);
  EXPECT_EQ(judge(result_of(1.5, 2), claim).verdict, Verdict::kRefuted);
  EXPECT_EQ(judge(result_of(2, 2.004), claim).verdict, Verdict::kWithinNoise);
  // The same figures, the other way round.
  EXPECT_EQ(judge(result_of(1.5, 2), {"plain", "with", Quantity::kLoss}).verdict,
            Verdict::kSupported);
}

// More is better of a recall, whose claim a lower one refutes.
TEST(AblationClaim, KnowsWhatIsBetter) {
  AblationResult result = result_of(2, 2);
  for (size_t seed = 0; seed < 3; ++seed) {
    result.runs[0][seed].figures[Quantity::kRecall1] = 0.9;
    result.runs[1][seed].figures[Quantity::kRecall1] = 0.5 + 0.01 * static_cast<double>(seed);
  }
  EXPECT_EQ(judge(result, {"with", "plain", Quantity::kRecall1}).verdict, Verdict::kRefuted);
  EXPECT_EQ(judge(result, {"plain", "with", Quantity::kRecall1}).verdict, Verdict::kSupported);
  EXPECT_THAT(claim_sentence(result, {"with", "plain", Quantity::kRecall1}),
              StartsWith("with holds the likeliest token more often than plain: **refuted**, "
                         "-39.00 ± 2.48 % of the texts."));
}

TEST(AblationClaim, TellsTimeAndBytesAsShares) {
  AblationResult result = result_of(2, 2);
  for (size_t seed = 0; seed < 3; ++seed) {
    const double slower = 1.2 + 0.01 * static_cast<double>(seed);
    result.runs[1][seed].figures[Quantity::kSeconds] = slower;
    result.runs[1][seed].figures[Quantity::kBytes] = 3000;
  }
  EXPECT_THAT(claim_sentence(result, {"with", "plain", Quantity::kSeconds}),
              HasSubstr("**refuted**, +21.0 ± 2.5 % of its time."));
  EXPECT_THAT(claim_sentence(result, {"with", "plain", Quantity::kBytes}),
              HasSubstr("with makes a smaller file than plain: **supported**, -25.00 ± 0.00 % of "
                        "its bytes."));
}

TEST(AblationClaim, OfOneSeedHasNoVerdict) {
  AblationResult result = result_of(2, 1.5);
  for (auto& runs : result.runs)
    runs.resize(1);
  EXPECT_FALSE(judge(result, result.ablation.claims.front()).verdict.has_value());
}

}  // namespace
}  // namespace cllm
