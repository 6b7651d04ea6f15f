#include "bench/peer_check.h"

#include <gmock/gmock.h>

#include <limits>

#include "base/error.h"

namespace cllm::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const Curve kCurve{{4.25, 4.0, 3.5}, {2.0, 1.5, 1.0}};

std::string refusal(const Curve& theirs, const std::string& precision = "fp32") {
  try {
    require_same_curve(kCurve, theirs, curve_tolerance(precision));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
    return error.what();
  }
  return "";
}

TEST(PeerCheck, AcceptsRounding) {
  EXPECT_EQ(refusal(kCurve), "");
  EXPECT_EQ(refusal({{4.25, 4.0, 3.50003}, {2.0, 1.5002, 1.0}}), "");
  EXPECT_EQ(refusal({{4.25, 4.0, 3.5}, {2.0003, 1.502, 1.0}}), "");
  EXPECT_EQ(refusal({{4.25, 4.005, 3.5}, {2.0, 1.48, 1.0}}, "bf16"), "");
}

TEST(PeerCheck, RefusesAnotherCurve) {
  EXPECT_THAT(refusal({{4.25, 4.0, 3.501}, {2.0, 1.5, 1.0}}),
              AllOf(HasSubstr("step 3"), HasSubstr("the loss")));
  EXPECT_THAT(refusal({{4.25, 4.0, 3.5}, {2.0, 1.51, 1.0}}),
              AllOf(HasSubstr("step 2"), HasSubstr("the gradient norm")));
  EXPECT_THAT(refusal({{4.25, 4.0, 3.5}, {2.001, 1.5, 1.0}}),
              AllOf(HasSubstr("step 1"), HasSubstr("the gradient norm")));
  EXPECT_THAT(refusal({{4.25, 4.03, 3.5}, {2.0, 1.5, 1.0}}, "bf16"), HasSubstr("step 2"));
  EXPECT_THAT(refusal({{4.25, 4.0, 3.5}, {2.2, 1.5, 1.0}}, "bf16"), HasSubstr("step 1"));
}

TEST(PeerCheck, RefusesNanAndMissingSteps) {
  EXPECT_THAT(refusal({{kNan, 4.0, 3.5}, {2.0, 1.5, 1.0}}), HasSubstr("step 1"));
  EXPECT_THAT(refusal({{4.25, 4.0, 3.5}, {2.0, kNan, 1.0}}), HasSubstr("step 2"));
  EXPECT_THAT(refusal({{4.25, 4.0}, {2.0, 1.5}}), HasSubstr("told 2 and 2"));
  EXPECT_NE(refusal({}), "");
}

}  // namespace
}  // namespace cllm::bench
