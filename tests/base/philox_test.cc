#include "base/philox.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cllm {
namespace {

// Known-answer vectors of Random123 1.14 (kat_vectors, philox4x32 10 rounds).
TEST(Philox, MatchesRandom123KnownAnswers) {
  using Block = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, NumbersDependOnEveryCoordinate) {
  const Philox a(7, RandomStream::kInit);
  EXPECT_EQ(a.bits(3, 5), Philox(7, RandomStream::kInit).bits(3, 5));
  EXPECT_NE(a.bits(3, 5), a.bits(3, 6));
  EXPECT_NE(a.bits(3, 5), a.bits(4, 5));
  EXPECT_NE(a.bits(3, 5), Philox(8, RandomStream::kInit).bits(3, 5));
  EXPECT_NE(a.bits(3, 5), Philox(7, RandomStream::kDropout).bits(3, 5));
}

TEST(Philox, UniformAndNormalHaveTheirMoments) {
  const Philox source(1, RandomStream::kTest);
  const int count = 200000;
  double mean = 0, normal_mean = 0, normal_square = 0;
  for (int i = 0; i < count; ++i) {
    const double u = source.uniform(0, i);
    ASSERT_TRUE(u >= 0 && u < 1);
    const double z = source.normal(1, i);
    mean += u;
    normal_mean += z;
    normal_square += z * z;
  }
  // Five standard errors of each mean.
  EXPECT_NEAR(mean / count, 0.5, 5 * 0.2887 / std::sqrt(count));
  EXPECT_NEAR(normal_mean / count, 0, 5 / std::sqrt(count));
  EXPECT_NEAR(normal_square / count, 1, 5 * std::sqrt(2.0 / count));
}

TEST(Philox, BelowStaysBelowAndReachesAll) {
  const Philox source(1, RandomStream::kTest);
  std::array<int, 5> seen{};
  for (int i = 0; i < 1000; ++i)
    ++seen.at(source.below(5, 0, i));
  for (const int count : seen)
    EXPECT_GT(count, 120);
}

}  // namespace
}  // namespace cllm
