// Each judge accepts what is right and rejects what is wrong by the smallest amount.
#include "lattice/verify.h"

#include <gmock/gmock.h>

#include "lattice/closest.h"
#include "lattice/reduce.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

TEST(Verify, ReducedBases) {
  EXPECT_FALSE(object_to_reduced(matrix_of("[[1 0][0 1]]"), 0.99, 0.51));
  EXPECT_FALSE(object_to_reduced(matrix_of("[[2 0][1 2]]"), 0.99, 0.5));
  // mu = 13 / 25 lies above 0.51; Lovasz would hold.
  EXPECT_THAT(*object_to_reduced(matrix_of("[[25 0][13 100]]"), 0.99, 0.51),
              testing::HasSubstr("|mu(2, 1)| = 0.52"));
  EXPECT_THAT(*object_to_reduced(matrix_of("[[25 0][-13 100]]"), 0.99, 0.51),
              testing::HasSubstr("not size-reduced"));
  // (0.99 - 0) 100 > 98 >= 0.97 * 100.
  EXPECT_THAT(*object_to_reduced(matrix_of("[[10 0 0][0 7 7]]"), 0.99, 0.51),
              testing::HasSubstr("Lovasz"));
  EXPECT_FALSE(object_to_reduced(matrix_of("[[10 0 0][0 7 7]]"), 0.98, 0.51));
  EXPECT_TRUE(object_to_reduced(matrix_of("[[1 2][2 4]]"), 0.99, 0.51));
  EXPECT_TRUE(object_to_reduced({}, 0.99, 0.51));
}

TEST(Verify, ARandomBasisIsNotReducedAndItsReductionIs) {
  const IntegerMatrix basis = random_matrix(20, 20, 1'000'000, 1);
  EXPECT_TRUE(object_to_reduced(basis, 0.99, 0.51));
  Reduced reduced = reduce(basis, {.transform = true});
  EXPECT_FALSE(object_to_reduced(reduced.basis, 0.99, 0.51));
  EXPECT_FALSE(object_to_same_lattice(basis, reduced.basis));
  EXPECT_FALSE(object_to_transform(reduced.transform, basis, reduced.basis));
  reduced.basis(7, 7) += 1;
  EXPECT_TRUE(object_to_same_lattice(basis, reduced.basis));
  EXPECT_TRUE(object_to_transform(reduced.transform, basis, reduced.basis));
}

TEST(Verify, SublatticesAndOtherLatticesAreNotTheSame) {
  const IntegerMatrix whole = matrix_of("[[1 0][0 1]]"), even = matrix_of("[[1 1][1 -1]]");
  EXPECT_THAT(*object_to_same_lattice(whole, even), testing::HasSubstr("index 2"));
  EXPECT_THAT(*object_to_same_lattice(even, whole), testing::HasSubstr("does not lie"));
  EXPECT_TRUE(object_to_same_lattice(whole, matrix_of("[[1 0]]")));
  EXPECT_TRUE(object_to_same_lattice(matrix_of("[[1 0 0][0 1 0]]"), matrix_of("[[1 0 0][0 0 1]]")));
  EXPECT_TRUE(object_to_same_lattice(whole, matrix_of("[[1 0][1 0]]")));
}

TEST(Verify, TransformsThatAreNotUnimodular) {
  const IntegerMatrix basis = matrix_of("[[1 0][0 1]]"), twice = matrix_of("[[2 0][0 1]]");
  EXPECT_THAT(*object_to_transform(twice, basis, twice), testing::HasSubstr("unimodular"));
  EXPECT_THAT(*object_to_transform(basis, basis, twice), testing::HasSubstr("not the result"));
  EXPECT_TRUE(object_to_transform(matrix_of("[[1 0]]"), basis, basis));
}

TEST(Verify, MembersOfTheLattice) {
  const IntegerMatrix basis = matrix_of("[[2 0 1][0 3 1]]");
  EXPECT_FALSE(object_to_member(IntegerVector{2, 3, 2}, basis));
  EXPECT_FALSE(object_to_member(IntegerVector{0, 0, 0}, basis));
  EXPECT_TRUE(object_to_member(IntegerVector{2, 3, 1}, basis));
  EXPECT_TRUE(object_to_member(IntegerVector{1, 0, 0}, basis));
  EXPECT_TRUE(object_to_member(IntegerVector{2, 0}, basis));
}

TEST(Verify, ClaimsOfTheClosestVector) {
  const IntegerMatrix basis = matrix_of("[[3 0][0 3]]");
  const RationalVector target{mpq_class("7/5"), mpq_class(4)};
  EXPECT_FALSE(object_to_closest(IntegerVector{0, 3}, basis, target));
  EXPECT_THAT(*object_to_closest(IntegerVector{3, 3}, basis, target),
              testing::HasSubstr("farther"));
  EXPECT_THAT(*object_to_closest(IntegerVector{1, 4}, basis, target),
              testing::HasSubstr("does not lie"));
  EXPECT_TRUE(object_to_closest(IntegerVector{0, 3}, basis, RationalVector(3)));
}

}  // namespace
}  // namespace cllm::lattice
