#include "crystal/stream_basis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "crystal/gap_rig.h"

namespace cllm {
namespace {

constexpr size_t kFrom = 24;

class StreamBasisTest : public ::testing::Test {
 protected:
  std::vector<double> moment_ = testing::hessian_of(testing::power_law(kFrom, 1.2), 7);
  ThreadPool pool_{2};
};

void expect_orthonormal(const StreamBasis& basis) {
  for (size_t v = 0; v < basis.to; ++v)
    for (size_t w = 0; w < basis.to; ++w) {
      double dot = 0;
      for (size_t c = 0; c < basis.from; ++c)
        dot += basis.columns[c * basis.to + v] * basis.columns[c * basis.to + w];
      EXPECT_NEAR(dot, v == w ? 1 : 0, 100 * kFrom * 0x1p-52);
    }
}

TEST_F(StreamBasisTest, PrincipalDirectionsKeepTheLargestEigenvalues) {
  const std::vector<double> values = testing::power_law(kFrom, 1.2);
  const double all = std::accumulate(values.begin(), values.end(), 0.0);
  double kept = 0;
  for (size_t to = 1; to <= kFrom; ++to) {
    kept += values[to - 1];
    const StreamBasis basis = principal_directions(moment_, kFrom, to, false, pool_);
    expect_orthonormal(basis);
    EXPECT_NEAR(kept_share(moment_, basis, false, pool_), kept / all, 1e-12);
    // No other directions keep more (Fan 1949).
    EXPECT_LE(kept_share(moment_, leading_coordinates(kFrom, to), false, pool_),
              kept / all + 1e-12);
  }
}

TEST_F(StreamBasisTest, TheFirstCoordinatesKeepTheirDiagonal) {
  double all = 0;
  for (size_t i = 0; i < kFrom; ++i)
    all += moment_[i * kFrom + i];
  const double kept = moment_[0] + moment_[kFrom + 1] + moment_[2 * kFrom + 2];
  const StreamBasis basis = leading_coordinates(kFrom, 3);
  EXPECT_NEAR(kept_share(moment_, basis, false, pool_), kept / all, 1e-14);
}

// A LayerNorm of the new width takes away what lies along its ones: nothing may.
TEST_F(StreamBasisTest, ACentredStreamStaysCentred) {
  centre_both_sides(moment_, kFrom);
  for (const size_t to : {size_t{2}, size_t{9}, kFrom}) {
    const StreamBasis basis = principal_directions(moment_, kFrom, to, true, pool_);
    expect_orthonormal(basis);
    for (size_t c = 0; c < kFrom; ++c) {
      double sum = 0;
      for (size_t w = 0; w < to; ++w)
        sum += basis.columns[c * to + w];
      EXPECT_NEAR(sum / std::sqrt(static_cast<double>(to)),
                  1 / std::sqrt(static_cast<double>(kFrom)), 1e-12);
    }
    EXPECT_NEAR(kept_share(moment_, basis, true, pool_), kept_share(moment_, basis, false, pool_),
                1e-12);
  }
  const StreamBasis all = principal_directions(moment_, kFrom, kFrom, true, pool_);
  EXPECT_NEAR(kept_share(moment_, all, true, pool_), 1, 1e-12);
  // The first coordinates have a mean, which is lost.
  const StreamBasis slice = leading_coordinates(kFrom, 9);
  EXPECT_LT(kept_share(moment_, slice, true, pool_), kept_share(moment_, slice, false, pool_));
}

TEST_F(StreamBasisTest, CentringIsThatOfTheVectors) {
  // One vector: the moment is its square.
  const std::vector<double> x = {3, -1, 4};
  std::vector<double> moment(9), expected(9);
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 3; ++j) {
      moment[i * 3 + j] = x[i] * x[j];
      expected[i * 3 + j] = (x[i] - 2) * (x[j] - 2);
    }
  centre_both_sides(moment, 3);
  for (size_t i = 0; i < 9; ++i)
    EXPECT_NEAR(moment[i], expected[i], 1e-14);
}

}  // namespace
}  // namespace cllm
