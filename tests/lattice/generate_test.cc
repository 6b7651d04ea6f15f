#include "lattice/generate.h"

#include "lattice/exact_linear.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

TEST(Generate, BasesAreIndependentAndRepeatable) {
  for (const BasisKind kind : {BasisKind::kUniform, BasisKind::kKnapsack, BasisKind::kQary,
                               BasisKind::kNtru, BasisKind::kGoldsteinMayer}) {
    const IntegerMatrix basis = generate_basis(kind, 12, 30, 5);
    EXPECT_EQ(rank(basis), 12u);
    EXPECT_EQ(longest_entry_bits(basis), 30u);
    EXPECT_EQ(basis, generate_basis(kind, 12, 30, 5));
    EXPECT_NE(basis, generate_basis(kind, 12, 30, 6));
  }
}

TEST(Generate, ShapesAreThoseOfTheirKinds) {
  const IntegerMatrix ntru = generate_basis(BasisKind::kNtru, 6, 10, 1);
  EXPECT_EQ(ntru(1, 4), ntru(0, 3));
  EXPECT_EQ(ntru(1, 3), ntru(0, 5));
  const IntegerMatrix prime = generate_basis(BasisKind::kGoldsteinMayer, 5, 80, 1);
  EXPECT_NE(mpz_probab_prime_p(prime(0, 0).get_mpz_t(), 30), 0);
  EXPECT_EQ(determinant(prime), prime(0, 0));
  EXPECT_EQ(generate_basis(BasisKind::kKnapsack, 3, 8, 1).columns(), 4u);
}

TEST(Generate, RefusesWhatCannotBe) {
  const auto refused = [](BasisKind kind, int64_t rows, int64_t bits, ErrorKind error) {
    EXPECT_TRUE(throws_error([&] { generate_basis(kind, rows, bits, 1); }, error, ""));
  };
  refused(BasisKind::kUniform, 0, 5, ErrorKind::kUsage);
  refused(BasisKind::kUniform, -3, 5, ErrorKind::kUsage);
  refused(BasisKind::kUniform, 3, 0, ErrorKind::kUsage);
  refused(BasisKind::kUniform, 3, 1'000'001, ErrorKind::kUsage);
  refused(BasisKind::kNtru, 7, 5, ErrorKind::kUsage);
  refused(BasisKind::kUniform, 1'000'000'000, 5, ErrorKind::kMemory);
  refused(BasisKind::kUniform, INT64_MAX, 5, ErrorKind::kMemory);
}

}  // namespace
}  // namespace cllm::lattice
