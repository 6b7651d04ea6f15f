#include "nn/code_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace cllm::nn {
namespace {

using ::testing::HasSubstr;

TEST(CodeTable, HoldsEveryTokensRows) {
  const CodeTable codes(5, {0, 2, 3, 6}, {1, 4, 0, 0, 2, 3});
  EXPECT_EQ(codes.tokens(), 3);
  EXPECT_EQ(codes.rows(), 5);
  EXPECT_THAT(codes.of(0), ::testing::ElementsAre(1, 4));
  EXPECT_THAT(codes.of(1), ::testing::ElementsAre(0));
  EXPECT_THAT(codes.of(2), ::testing::ElementsAre(0, 2, 3));
  const ops::Codes matrix = codes.matrix();
  EXPECT_EQ(matrix.V, 3);
  EXPECT_EQ(matrix.K, 5);
  EXPECT_EQ(matrix.most, 3);
  EXPECT_FLOAT_EQ(matrix.scales[0], std::sqrt(0.5f));
  EXPECT_EQ(matrix.scales[1], 1.0f);
  EXPECT_EQ(codes, CodeTable(5, {0, 2, 3, 6}, {1, 4, 0, 0, 2, 3}));
  EXPECT_FALSE(codes == CodeTable(5, {0, 2, 3, 6}, {1, 3, 0, 0, 2, 3}));
}

TEST(CodeTable, NamesWhatIsWrong) {
  const auto fault = [](std::vector<int32_t> offsets, std::vector<int32_t> pieces) {
    return CodeTable::fault(5, offsets, pieces);
  };
  EXPECT_EQ(fault({0, 2, 3}, {1, 4, 0}), "");
  EXPECT_THAT(fault({}, {}), HasSubstr("offsets"));
  EXPECT_THAT(fault({0}, {}), HasSubstr("offsets"));
  EXPECT_THAT(fault({1, 2}, {1, 2}), HasSubstr("offsets"));
  EXPECT_THAT(fault({0, 2}, {1, 2, 3}), HasSubstr("offsets"));
  EXPECT_THAT(fault({0, 2, 2, 3}, {1, 4, 0}), HasSubstr("token 1 has no pieces"));
  EXPECT_THAT(fault({0, 3, 2, 3}, {1, 2, 3}), HasSubstr("token 1 has no pieces"));
  EXPECT_THAT(fault({0, 9, 3}, {1, 2, 3}), HasSubstr("token 0 has no pieces"));
  EXPECT_THAT(fault({0, 2}, {1, 1}), HasSubstr("token 0 do not ascend"));
  EXPECT_THAT(fault({0, 2}, {2, 1}), HasSubstr("token 0 do not ascend"));
  EXPECT_THAT(fault({0, 1, 2}, {0, 5}), HasSubstr("token 1 is not one of 5 rows"));
  EXPECT_THAT(fault({0, 2}, {-1, 1}), HasSubstr("token 0 is not one of 5 rows"));
}

}  // namespace
}  // namespace cllm::nn
