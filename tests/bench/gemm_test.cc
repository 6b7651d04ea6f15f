#include "bench/gemm.h"

#include <gmock/gmock.h>

#include "testing_tables.h"

namespace cllm::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MeasureGemm : public ::testing::Test {
 protected:
  ThreadPool pool_{1};
  ops::Context context_{pool_, *kernels::find_table("scalar")};
  Report report_;
};

TEST_F(MeasureGemm, GivesAResultPerShapeAndVariant) {
  const std::vector<GemmShape> shapes = {{Product::kForward, 16, 24, 8},
                                         {Product::kWeightGradient, 24, 8, 16}};
  measure_gemm(context_, shapes, gemm_variants(context_, {}), 2, {}, report_);
  ASSERT_GE(report_.results.size(), 2u);
  for (const Result& result : report_.results) {
    EXPECT_EQ(result.samples.size(), 2u);
    EXPECT_GT(spread(result.samples).median, 0);
  }
  std::vector<std::string> names;
  for (const Result& result : report_.results)
    names.push_back(result.name);
  EXPECT_THAT(names, ElementsAre("fwd 16x24x8, ours fp32", "fwd 16x24x8, ours bf16",
                                 "dW 24x8x16, ours fp32", "dW 24x8x16, ours bf16"));
  EXPECT_THAT(report_.table, HasSubstr("dW 24x8x16"));
}

TEST_F(MeasureGemm, DoesNotTimeAVariantThatIsWrongOrUnable) {
  std::vector<GemmVariant> variants;
  variants.push_back({"lazy", false, false, false, [](GemmProblem&) { return [] {}; }});
  variants.push_back(
      {"unable", false, false, false, [](GemmProblem&) { return std::function<void()>(); }});
  measure_gemm(context_, {{Product::kForward, 16, 24, 8}}, variants, 1, {}, report_);
  EXPECT_TRUE(report_.results.empty());
  ASSERT_EQ(report_.notes.size(), 1u);
  EXPECT_THAT(report_.notes[0], HasSubstr("lazy is wrong on fwd 16x24x8"));
}

TEST(Opponents, AbsentOnesAreNotedWithTheirPackage) {
  const Opponents none = load_opponents("/nonexistent", 1);
  EXPECT_TRUE(none.all.empty());
  ASSERT_EQ(none.notes.size(), 2u);
  EXPECT_THAT(none.notes[0], HasSubstr("libopenblas-dev"));
  EXPECT_THAT(none.notes[1], HasSubstr("libdnnl-dev"));
}

}  // namespace
}  // namespace cllm::bench
