#include "lattice/spherical_code.h"

#include <cmath>
#include <vector>

#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += a[i] * b[i];
  return sum;
}

std::vector<double> vector_of(SphericalCode code, uint64_t index, size_t dimensions) {
  std::vector<double> v(dimensions);
  spherical_vector(code, index, v);
  return v;
}

void expect_code(SphericalCode code, size_t dimensions, uint64_t size) {
  ASSERT_EQ(spherical_code_size(code, dimensions), size);
  const double most = largest_cosine(code, dimensions);
  double largest = -2;
  for (uint64_t i = 0; i < size; ++i) {
    const auto a = vector_of(code, i, dimensions);
    EXPECT_TRUE(std::abs(cosine(a, a) - 1) <= 1e-14);
    for (uint64_t j = 0; j < i; ++j)
      largest = std::max(largest, cosine(a, vector_of(code, j, dimensions)));
  }
  // Attained, too.
  EXPECT_TRUE(std::abs(largest - most) <= 1e-14) << largest << " " << most;
}

TEST(SphericalCode, AnglesAreGuaranteed) {
  for (const size_t n : {1, 2, 3, 7, 64})
    expect_code(SphericalCode::kSimplex, n, n + 1);
  for (const size_t n : {1, 2, 5, 33})
    expect_code(SphericalCode::kOrthoplex, n, 2 * n);
  expect_code(SphericalCode::kE8, 8, 240);
}

// All 1.9e10 pairs are too many: one vector of each shape against all, and a million random pairs.
TEST(SphericalCode, LeechAnglesAreGuaranteed) {
  constexpr uint64_t kSize = 196560;
  ASSERT_EQ(spherical_code_size(SphericalCode::kLeech, 24), kSize);
  const Philox random(4, RandomStream::kTest);
  for (const uint64_t first : {0u, 1200u, 150'000u}) {
    const auto a = vector_of(SphericalCode::kLeech, first, 24);
    int touching = 0;
    for (uint64_t j = 0; j < kSize; ++j) {
      if (j == first) continue;
      const double c = cosine(a, vector_of(SphericalCode::kLeech, j, 24));
      ASSERT_TRUE(c <= 0.5 + 1e-14);
      touching += c > 0.49;
    }
    EXPECT_EQ(touching, 4600);  // Conway and Sloane, chapter 14
  }
  for (uint64_t pair = 0; pair < 1'000'000; ++pair) {
    const uint64_t i = random.below(kSize, 0, pair), j = random.below(kSize, 1, pair);
    if (i == j) continue;
    ASSERT_TRUE(cosine(vector_of(SphericalCode::kLeech, i, 24),
                       vector_of(SphericalCode::kLeech, j, 24)) <= 0.5 + 1e-14);
  }
}

TEST(SphericalCode, ExistsInItsDimensionOnly) {
  EXPECT_TRUE(throws_error([] { spherical_code_size(SphericalCode::kE8, 7); }, ErrorKind::kUsage,
                           "does not exist in 7"));
  EXPECT_TRUE(throws_error([] { spherical_code_size(SphericalCode::kSimplex, 0); },
                           ErrorKind::kUsage, "does not exist in 0"));
}

}  // namespace
}  // namespace cllm::lattice
