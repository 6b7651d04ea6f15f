#include <gtest/gtest.h>

#include "number/big_fixed_oracle.h"

namespace cllm::number {
namespace {

// In parts, so that they run side by side.
constexpr uint64_t kPart = 25000;

TEST(BigFixed, MatchesMpfrOn25000RandomNumbers) {
  expect_all_random(0, kPart);
}
TEST(BigFixed, MatchesMpfrOn25000More) {
  expect_all_random(kPart, 2 * kPart);
}
TEST(BigFixed, MatchesMpfrOnAThird25000) {
  expect_all_random(2 * kPart, 3 * kPart);
}
TEST(BigFixed, MatchesMpfrOnTheLastOf100000) {
  expect_all_random(3 * kPart, 4 * kPart);
}

}  // namespace
}  // namespace cllm::number
