#include "lattice/classical.h"

#include <cmath>
#include <set>

#include "lattice/exact_linear.h"
#include "lattice/golay.h"
#include "lattice/minimal_vectors.h"
#include "lattice/shortest.h"
#include "lattice/theta.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

TEST(Golay, WeightsAreThoseOfTheCode) {
  const GolayCode& code = GolayCode::instance();
  std::array<int, 25> weights{};
  for (uint32_t message = 0; message < GolayCode::kWords; ++message) {
    EXPECT_EQ(code.word(message) & 4095, message);
    ++weights[static_cast<size_t>(std::popcount(code.word(message)))];
    // Linear.
    EXPECT_EQ(code.word(message) ^ code.word(1234), code.word(message ^ 1234));
  }
  EXPECT_EQ(weights[0], 1);
  EXPECT_EQ(weights[8], 759);
  EXPECT_EQ(weights[12], 2576);
  EXPECT_EQ(weights[16], 759);
  EXPECT_EQ(weights[24], 1);
  for (uint32_t rank = 0; rank < GolayCode::kOctads; ++rank)
    EXPECT_EQ(code.octad_rank(code.octad(rank)), rank);
  EXPECT_FALSE(code.contains(1));
  EXPECT_FALSE(code.octad_rank(0xffffff).has_value());
}

class ClassicalTest : public ::testing::TestWithParam<Classical> {
 protected:
  Classical lattice_ = GetParam();
  const ClassicalFacts& fact_ = facts(lattice_);
};
INSTANTIATE_TEST_SUITE_P(All, ClassicalTest, ::testing::ValuesIn(kAllClassical),
                         [](const auto& test) { return std::string(facts(test.param).name); });

TEST_P(ClassicalTest, MinimalVectorsAreCountedByIndexAndFoundAgain) {
  std::set<std::vector<int32_t>> seen;
  for (uint32_t index = 0; index < fact_.kissing_number; ++index) {
    std::vector<int32_t> x(fact_.dimension);
    minimal_vector(lattice_, index, x);
    ASSERT_EQ(point_norm2(lattice_, x), fact_.minimal_norm2) << index;
    ASSERT_TRUE(contains(lattice_, std::vector<int64_t>(x.begin(), x.end()))) << index;
    ASSERT_EQ(minimal_vector_index(lattice_, x), index);
    seen.insert(std::move(x));
  }
  EXPECT_EQ(seen.size(), fact_.kissing_number);
}

TEST_P(ClassicalTest, OtherVectorsHaveNoIndex) {
  std::vector<int32_t> x(fact_.dimension);
  EXPECT_FALSE(minimal_vector_index(lattice_, x).has_value());
  minimal_vector(lattice_, 5, x);
  for (int32_t& coordinate : x)
    coordinate *= 2;
  EXPECT_FALSE(minimal_vector_index(lattice_, x).has_value());
  // One sign of a vector of the last shape flipped: the parity or the word is wrong.
  minimal_vector(lattice_, fact_.kissing_number - 1, x);
  std::vector<int32_t> flipped = x;
  for (int32_t& coordinate : flipped)
    if (coordinate != 0) {
      coordinate = -coordinate;
      break;
    }
  const bool member = contains(lattice_, std::vector<int64_t>(flipped.begin(), flipped.end()));
  EXPECT_EQ(minimal_vector_index(lattice_, flipped).has_value(), member);
  EXPECT_EQ(member, lattice_ == Classical::kA2 || lattice_ == Classical::kD4);
}

TEST_P(ClassicalTest, BasisHasTheVolumeAndTheShortestVector) {
  const IntegerMatrix basis = classical_basis(lattice_);
  const double divisor = lattice_ == Classical::kA2 ? 2 : norm_divisor(lattice_);
  const double volume2 =
      gram_determinant(basis).get_d() / std::pow(divisor, static_cast<double>(fact_.dimension));
  EXPECT_TRUE(std::abs(volume2 / (fact_.volume * fact_.volume) - 1) <= 1e-12) << volume2;
  EXPECT_EQ(shortest_vector(basis).norm2.get_d() / divisor, fact_.minimal_norm2);
  if (lattice_ == Classical::kA2) return;
  for (size_t i = 0; i < basis.rows(); ++i) {
    std::vector<int64_t> row;
    for (const mpz_class& x : basis.row(i))
      row.push_back(x.get_si());
    EXPECT_TRUE(contains(lattice_, row));
    row[0] += 1;
    EXPECT_FALSE(contains(lattice_, row));
  }
}

// OEIS A004016, A004011, A004009, A008409, A008408.
TEST_P(ClassicalTest, ThetaSeriesByCounting) {
  const std::vector<Shell> expected[] = {
      {{0, 1}, {1, 6}, {3, 6}, {4, 6}, {7, 12}},
      {{0, 1}, {2, 24}, {4, 24}, {6, 96}, {8, 24}},
      {{0, 1}, {2, 240}, {4, 2160}, {6, 6720}, {8, 17520}},
      {{0, 1}, {4, 4320}, {6, 61440}},
      {{0, 1}, {4, 196560}},
  };
  const auto& shells = expected[static_cast<size_t>(lattice_)];
  const std::vector<Shell> counted = count_shells(lattice_, shells.back().norm2);
  ASSERT_EQ(counted.size(), shells.size());
  for (size_t i = 0; i < shells.size(); ++i) {
    EXPECT_EQ(counted[i].norm2, shells[i].norm2);
    EXPECT_EQ(counted[i].count, shells[i].count);
  }
  EXPECT_EQ(counted[1].count, fact_.kissing_number);
  EXPECT_THROW(count_shells(lattice_, std::nan("")), Error);
  EXPECT_THROW(count_shells(lattice_, -1), Error);
}

TEST(Classical, NamesAreKnown) {
  EXPECT_EQ(classical_by_name("leech"), Classical::kLeech);
  EXPECT_TRUE(throws_error([] { classical_by_name("e7"); }, ErrorKind::kUsage, "bw16"));
}

}  // namespace
}  // namespace cllm::lattice
