// The checkers themselves: each must reject what it exists to reject.
#include "testing.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <limits>

#include "testing_tables.h"

namespace cllm::testing {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInfinity = std::numeric_limits<float>::infinity();

TEST(Testing, AllCloseAcceptsTheToleranceAndRejectsMore) {
  const std::vector<double> expected = {1, -2, 0};
  EXPECT_TRUE(all_close(std::vector<double>{1.001, -2.002, 0}, expected, 0, 1.1e-3));
  EXPECT_FALSE(all_close(std::vector<double>{1.001, -2.002, 0}, expected, 0, 0.9e-3));
  EXPECT_FALSE(all_close(std::vector<double>{1, -2, 1e-9}, expected, 0, 1));
  EXPECT_FALSE(all_close(std::vector<double>{1, -2}, expected, 1, 1));
  EXPECT_TRUE(all_close(std::vector<double>{}, std::vector<double>{}, 0, 0));
}

TEST(Testing, AllCloseRejectsNanAndInfinity) {
  const std::vector<float> fine = {1, 2}, bad = {1, kNan}, large = {1, kInfinity};
  EXPECT_FALSE(all_close(bad, fine, 1, 1));
  EXPECT_FALSE(all_close(fine, bad, 1, 1));
  EXPECT_FALSE(all_close(bad, bad, 1, 1));
  EXPECT_FALSE(all_close(large, fine, 1, 1));
}

TEST(Testing, AllCloseNamesTheWorstElement) {
  const auto result =
      all_close(std::vector<double>{1.2, 9, 3.3}, std::vector<double>{1, 2, 3}, 0.1, 0);
  EXPECT_THAT(std::string(result.message()), ::testing::HasSubstr("element 1 of 3"));
}

TEST(Testing, SameBitsTellsZerosApart) {
  EXPECT_TRUE(same_bits(std::vector<float>{kNan, 0.0f}, std::vector<float>{kNan, 0.0f}));
  EXPECT_FALSE(same_bits(std::vector<float>{0.0f}, std::vector<float>{-0.0f}));
  EXPECT_FALSE(same_bits(std::vector<float>{0.0f}, std::vector<float>{0.0f, 0.0f}));
}

TEST(Testing, ComplexStepFindsAWrongGradient) {
  const std::vector<float> x = {0.5f, -1.5f};
  const auto f = [](const std::vector<Complex>& z) { return z[0] * z[0] * std::sin(z[1]); };
  const double sine = std::sin(-1.5), cosine = std::cos(-1.5);
  const std::vector<double> right = {2 * 0.5 * sine, 0.25 * cosine};
  const std::vector<double> wrong = {2 * 0.5 * sine, -0.25 * cosine};
  EXPECT_TRUE(all_close(complex_step_gradient(x, f), right, 0, 1e-15));
  EXPECT_FALSE(all_close(complex_step_gradient(x, f), wrong, 0, 1e-3));
}

TEST(Testing, GuardedSpanSeesWritesOnBothSides) {
  GuardedSpan span({1, 2, 3}, 2);
  EXPECT_TRUE(span.intact());
  EXPECT_EQ(span.values(), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(span.data()) % 64, 2 * sizeof(float));
  span.data()[2] = 4;
  EXPECT_TRUE(span.intact());
  span.data()[3] = 4;
  EXPECT_FALSE(span.intact());
  GuardedSpan other({1, 2, 3}, 0);
  other.data()[-1] = 0;
  EXPECT_FALSE(other.intact());
}

TEST(Testing, ThreadDependentBitsAreFound) {
  ::testing::TestPartResultArray failures;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(&failures);
    expect_same_bits_for_threads([](const ops::Context& context) {
      return std::vector<float>{1.0f / static_cast<float>(context.pool.size())};
    });
  }
  EXPECT_EQ(failures.size(), 3 * static_cast<int>(kernels::supported_tables().size()));
}

TEST(Testing, RandomVectorsArePureFunctionsOfTheirSeed) {
  EXPECT_EQ(random_vector(9, 5), random_vector(9, 5));
  EXPECT_NE(random_vector(9, 5), random_vector(9, 6));
  for (const int32_t token : random_tokens(100, 7, 1))
    EXPECT_TRUE(token >= 0 && token < 7);
}

}  // namespace
}  // namespace cllm::testing
