#include "tensor/parameters.h"

#include <gtest/gtest.h>

namespace cllm {
namespace {

TEST(ParameterTable, LaysParametersOutInOrderAndAligned) {
  ParameterTable table;
  EXPECT_EQ(table.add("a", {3, 5}, Initial::kNormal, 0.5), 0);
  EXPECT_EQ(table.add("b", {17}, Initial::kOne), 1);
  EXPECT_EQ(table.add("c", {16}, Initial::kZero), 2);
  EXPECT_EQ(table.at(0).offset, 0);
  EXPECT_EQ(table.at(0).count, 15);
  EXPECT_EQ(table.at(1).offset, 16);
  EXPECT_EQ(table.at(2).offset, 48);
  EXPECT_EQ(table.arena_floats(), 64);
  EXPECT_EQ(table.count(), 15 + 17 + 16) << "gaps are not trained";
  EXPECT_TRUE(table.at(0).is_matrix());
  EXPECT_FALSE(table.at(1).is_matrix());
  EXPECT_EQ(table.at(0).deviation, 0.5);
}

TEST(ParameterTable, FindsByName) {
  ParameterTable table;
  table.add("a.weight", {2}, Initial::kZero);
  ASSERT_NE(table.find("a.weight"), nullptr);
  EXPECT_EQ(table.find("a.weight")->count, 2);
  EXPECT_EQ(table.find("a.weigh"), nullptr);
}

TEST(ParameterTableDeath, TwoOfAName) {
  ParameterTable table;
  table.add("a", {2}, Initial::kZero);
  EXPECT_DEATH(table.add("a", {2}, Initial::kZero), "declared twice");
  EXPECT_DEATH(table.add("b", {2, 0}, Initial::kZero), "b");
}

}  // namespace
}  // namespace cllm
