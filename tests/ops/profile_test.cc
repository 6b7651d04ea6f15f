#include "ops/profile.h"

#include <gtest/gtest.h>

#include <vector>

#include "ops/elementwise.h"

namespace cllm::ops {
namespace {

TEST(Profile, AddsUpByName) {
  Profile profile;
  for (int i = 0; i < 3; ++i) {
    const ProfileScope scope(&profile, "a");
  }
  { const ProfileScope scope(&profile, "b"); }
  ASSERT_EQ(profile.entries().size(), 2u);
  EXPECT_EQ(profile.entries()[0].name, "a");
  EXPECT_EQ(profile.entries()[0].calls, 3);
  EXPECT_EQ(profile.entries()[1].calls, 1);
  EXPECT_GE(profile.entries()[0].seconds, 0);
}

TEST(Profile, CountsNoTimeTwice) {
  Profile profile;
  {
    const ProfileScope outer(&profile, "outer");
    const ProfileScope inner(&profile, "inner");
  }
  ASSERT_EQ(profile.entries().size(), 1u);
  EXPECT_EQ(profile.entries()[0].name, "outer");
}

TEST(Profile, IsOptional) {
  const ProfileScope scope(nullptr, "nothing");
}

TEST(Profile, OfAContextSeesItsOperations) {
  ThreadPool pool(1);
  Profile profile;
  Context context{pool, *kernels::find_table("scalar")};
  std::vector<float> x(10, 1.0f);
  fill_zero(context, 10, x.data());
  EXPECT_TRUE(profile.entries().empty());
  context.profile = &profile;
  fill_zero(context, 10, x.data());
  ASSERT_EQ(profile.entries().size(), 1u);
  EXPECT_EQ(profile.entries()[0].name, "fill zero");
}

}  // namespace
}  // namespace cllm::ops
