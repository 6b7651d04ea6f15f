#include "lattice/reduce.h"

#include <cmath>

#include "lattice/shortest.h"
#include "lattice/verify.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

TEST(Reduce, KeepsTheLatticeAndMeetsItsConditions) {
  for (const double delta : {0.75, 0.99, 0.999}) {
    for (uint64_t seed = 0; seed < 6; ++seed) {
      const size_t rows = 1 + 5 * seed;
      const IntegerMatrix basis = random_matrix(rows, rows + seed % 2, 1'000'000'000, seed);
      const Reduced reduced = reduce(basis, {.delta = delta, .transform = true});
      EXPECT_EQ(object_to_reduced(reduced.basis, delta, 0.51), std::nullopt);
      EXPECT_EQ(object_to_transform(reduced.transform, basis, reduced.basis), std::nullopt);
      EXPECT_EQ(object_to_same_lattice(basis, reduced.basis), std::nullopt);
    }
  }
}

TEST(Reduce, BlocksShortenTheFirstVector) {
  const IntegerMatrix basis = random_knapsack(40, 200, 9);
  const Reduced lll = reduce(basis);
  const Reduced bkz = reduce(basis, {.block_size = 20, .tours = 4, .transform = true});
  EXPECT_EQ(object_to_reduced(bkz.basis, 0.99, 0.51), std::nullopt);
  EXPECT_EQ(object_to_transform(bkz.transform, basis, bkz.basis), std::nullopt);
  EXPECT_LT(root_hermite_factor(bkz.basis), root_hermite_factor(lll.basis));
}

TEST(Reduce, AWatchedReductionIsAsGoodAndCanBeStopped) {
  const IntegerMatrix basis = random_knapsack(60, 120, 10);
  int calls = 0;
  const Reduced watched = reduce(basis, {}, [&](const SearchProgress& progress) {
    EXPECT_STREQ(progress.phase, "LLL");
    ++calls;
  });
  EXPECT_GE(calls, 4);
  EXPECT_EQ(object_to_reduced(watched.basis, 0.99, 0.51), std::nullopt);
  EXPECT_EQ(object_to_same_lattice(basis, watched.basis), std::nullopt);
  const Reduced with = reduce(basis, {.transform = true}, [](const SearchProgress&) {});
  EXPECT_EQ(with.basis, watched.basis);
  EXPECT_EQ(object_to_transform(with.transform, basis, with.basis), std::nullopt);
  EXPECT_THROW(reduce(basis, {}, [](const SearchProgress&) { throw 7; }), int);
  EXPECT_THROW(reduce(basis, {.block_size = 20},
                      [](const SearchProgress& progress) {
                        if (std::string(progress.phase) == "BKZ") throw std::string("stop");
                      }),
               std::string);
}

TEST(Reduce, RefusesWhatCannotBeReduced) {
  const IntegerMatrix good = identity(3);
  const auto refused = [](const IntegerMatrix& basis, const ReduceOptions& options, ErrorKind kind,
                          const char* part) {
    EXPECT_TRUE(throws_error([&] { reduce(basis, options); }, kind, part));
  };
  refused(matrix_of("[[1 2][2 4]]"), {}, ErrorKind::kData, "linearly dependent");
  refused({}, {}, ErrorKind::kData, "empty");
  refused(good, {.delta = 1}, ErrorKind::kUsage, "delta");
  refused(good, {.delta = std::nan("")}, ErrorKind::kUsage, "delta");
  refused(good, {.eta = 0.5}, ErrorKind::kUsage, "eta");
  refused(good, {.delta = 0.3, .eta = 0.9}, ErrorKind::kUsage, "eta");
  refused(good, {.block_size = 1}, ErrorKind::kUsage, "block size");
  refused(good, {.tours = -1}, ErrorKind::kUsage, "tours");
  IntegerMatrix huge = identity(2);
  mpz_ui_pow_ui(huge(0, 1).get_mpz_t(), 10, 1'000'000);
  refused(huge, {}, ErrorKind::kData, "bits");
}

TEST(Reduce, LongEntriesAreReduced) {
  IntegerMatrix basis = identity(3);
  mpz_ui_pow_ui(basis(0, 2).get_mpz_t(), 3, 20'000);
  mpz_ui_pow_ui(basis(1, 2).get_mpz_t(), 5, 14'000);
  basis(2, 2) = 1;
  EXPECT_EQ(object_to_reduced(reduce(basis).basis, 0.99, 0.51), std::nullopt);
}

TEST(Reduce, RealBasesGetAUnimodularChange) {
  RealMatrix basis(3, 3);
  const double values[3][3] = {{1, 0, 0}, {0.7, 0.01, 0}, {0.3, 0.2, 0.001}};
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 3; ++j)
      basis(i, j) = values[i][j];
  const RealReduced reduced = reduce_real(basis);
  double longest = 0;
  for (const double x : reduced.basis.elements())
    longest = std::max(longest, std::abs(x));
  // The volume is 1e-5: an LLL basis of 3 rows is within 2^(3/4) of its cube root, 0.0216.
  EXPECT_TRUE(longest <= 0.3);
  IntegerMatrix identity_image = product(reduced.transform, identity(3));
  EXPECT_EQ(object_to_transform(reduced.transform, identity(3), identity_image), std::nullopt);
  basis(0, 0) = INFINITY;
  EXPECT_THROW(reduce_real(basis), Error);
  EXPECT_THROW(reduce_real(RealMatrix(2, 2)), Error);
}

}  // namespace
}  // namespace cllm::lattice
