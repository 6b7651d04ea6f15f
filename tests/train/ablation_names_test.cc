#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "train/ablation.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

const AblationArm* arm_of(const Ablation& ablation, const std::string& name) {
  const auto arm = std::ranges::find(ablation.arms, name, &AblationArm::name);
  return arm == ablation.arms.end() ? nullptr : &*arm;
}

TEST(Ablations, HaveABaselineAndNamesOfTheirOwn) {
  for (const Ablation& ablation : ablations()) {
    ASSERT_GE(ablation.arms.size(), 2u) << ablation.name;
    EXPECT_FALSE(ablation.arms.front().derived.has_value()) << ablation.name;
    EXPECT_EQ(&find_ablation(ablation.name), &ablation);
    std::set<std::string> names;
    for (const AblationArm& arm : ablation.arms)
      EXPECT_TRUE(names.insert(arm.name).second) << ablation.name << " " << arm.name;
  }
}

TEST(Ablations, ClaimSomethingOfArmsThatTheyHave) {
  for (const Ablation& ablation : ablations()) {
    EXPECT_FALSE(ablation.claims.empty()) << ablation.name;
    for (const AblationClaim& claim : ablation.claims) {
      EXPECT_NE(arm_of(ablation, claim.arm), nullptr) << claim.arm;
      EXPECT_NE(arm_of(ablation, claim.against), nullptr) << claim.against;
      EXPECT_NE(claim.arm, claim.against);
      EXPECT_NE(text_of(claim.quantity).claim, nullptr) << ablation.name;
    }
  }
}

// A source that comes later would not be trained yet.
TEST(Ablations, DeriveArmsFromEarlierTrainings) {
  for (const Ablation& ablation : ablations())
    for (const AblationArm& arm : ablation.arms) {
      if (!arm.derived) continue;
      const AblationArm* const source = arm_of(ablation, arm.derived->source);
      ASSERT_NE(source, nullptr) << arm.name;
      EXPECT_LT(source, &arm);
      EXPECT_FALSE(source->derived.has_value());
      EXPECT_TRUE(arm.assignments.empty()) << arm.name;
    }
}

TEST(Ablations, CoverEveryTechnique) {
  for (const char* name : {"compression", "width", "prime-embedding", "shortlist", "ngram-memory",
                           "residual", "baseline", "locality", "token-order", "tile-order",
                           "lattice-embedding", "exact-reduction"})
    EXPECT_NO_THROW(find_ablation(name)) << name;
}

TEST(Ablations, AreFoundByNameAlone) {
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
