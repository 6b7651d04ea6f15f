// The library beside the programs of fplll-tools, on bases that latticegen makes.
#include <cmath>

#include "lattice/closest.h"
#include "lattice/reduce.h"
#include "lattice/shortest.h"
#include "lattice/verify.h"
#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

using SlowFplll = WithFplll;

// Uniform, knapsack, NTRU-like (twice the rows named) and q-ary; 40 to 120 rows.
TEST_F(SlowFplll, ReductionsAreVerifiedAndNoWorse) {
  const char* const kinds[] = {"u 40 30",   "r 80 400",      "n 30 20 b",
                               "n 50 20 b", "q 100 50 20 p", "q 120 60 15 b"};
  for (const char* kind : kinds)
    for (int seed = 1; seed <= 3; ++seed) {
      const IntegerMatrix basis = generated(kind, seed);
      const IntegerMatrix ours = reduce(basis).basis;
      const IntegerMatrix theirs = matrix_of(shell("fplll", format_matrix(basis)));
      EXPECT_EQ(object_to_reduced(ours, 0.99, 0.51), std::nullopt) << kind;
      EXPECT_EQ(object_to_same_lattice(basis, ours), std::nullopt) << kind;
      EXPECT_LE(norm2(ours.row(0)), norm2(theirs.row(0))) << kind;
      EXPECT_LE(root_hermite_factor(ours), root_hermite_factor(theirs)) << kind;
    }
}

TEST_F(SlowFplll, BlockReductionsAreVerifiedAndNoWorse) {
  for (const char* kind : {"u 40 30", "q 60 30 20 p", "r 50 300"}) {
    const IntegerMatrix basis = generated(kind, 4);
    const Reduced ours = reduce(basis, {.block_size = 20, .transform = true});
    const IntegerMatrix theirs = matrix_of(shell("fplll -a bkz -b 20", format_matrix(basis)));
    EXPECT_EQ(object_to_reduced(ours.basis, 0.99, 0.51), std::nullopt) << kind;
    EXPECT_EQ(object_to_transform(ours.transform, basis, ours.basis), std::nullopt) << kind;
    // Both end where no block of 20 improves; where that is depends on the order of the blocks.
    EXPECT_LE(root_hermite_factor(ours.basis), 1.002 * root_hermite_factor(theirs)) << kind;
  }
}

TEST_F(SlowFplll, ShortestVectorsAreAsShort) {
  for (int rows = 20; rows <= 45; ++rows) {
    if (rows > 30 && rows % 3 != 0) continue;  // fplll's own search takes longest
    const std::string size = std::to_string(rows);
    const std::string kind = rows % 2 == 0 ? "q " + size + " 1 " + std::to_string(8 * rows) + " p"
                                           : "q " + size + " " + std::to_string(rows / 2) + " 12 p";
    const IntegerMatrix basis = generated(kind, rows);
    const ShortestVector ours = shortest_vector(basis);
    EXPECT_EQ(object_to_member(ours.vector, basis), std::nullopt) << kind;
    EXPECT_EQ(ours.norm2, norm2(vector_from("fplll -a svp", format_matrix(basis)))) << kind;
  }
}

TEST_F(SlowFplll, ClosestVectorsAreAsCloseAndKBestFallsToThem) {
  for (const int rows : {10, 16, 22, 28, 34}) {
    const auto size = static_cast<size_t>(rows);
    const IntegerMatrix basis =
        generated("q " + std::to_string(rows) + " 1 " + std::to_string(6 * rows) + " p", rows);
    const RationalVector target = random_target(size, 100'000'000, size);
    IntegerVector integers;
    for (const mpq_class& x : target)
      integers.push_back(x.get_num());
    const ClosestSolver solver(basis);
    const ClosestVector exact = solver.exact(target);
    // fplll wants a reduced basis.
    const IntegerVector theirs =
        vector_from("fplll -a cvp", format_matrix(solver.basis()) + format_vector(integers));
    mpz_class distance2;
    for (size_t j = 0; j < size; ++j)
      distance2 += (theirs[j] - integers[j]) * (theirs[j] - integers[j]);
    EXPECT_EQ(exact.distance2, mpq_class(distance2)) << rows;
    EXPECT_EQ(object_to_closest(exact.vector, basis, target), std::nullopt) << rows;
    mpq_class last = solver.nearest_plane(target).distance2;
    for (int64_t width = 1; width <= 4096; width *= 2) {
      const mpq_class distance = solver.k_best(target, width).distance2;
      EXPECT_LE(distance, last) << rows << " " << width;
      last = distance;
    }
    EXPECT_EQ(last, exact.distance2) << rows;
  }
}

// The rule of the SVP challenge.
TEST_F(SlowFplll, GoldsteinMayerBasesReachTheGaussianHeuristic) {
  for (const int rows : {40, 50}) {
    const IntegerMatrix basis =
        generated("q " + std::to_string(rows) + " 1 " + std::to_string(10 * rows) + " p", 7);
    const ShortestVector found = shortest_vector(basis);
    EXPECT_EQ(object_to_member(found.vector, basis), std::nullopt);
    const double length = std::exp2(log2_of(found.norm2) / 2);
    EXPECT_TRUE(length <= 1.05 * gaussian_heuristic(basis))
        << length << " " << gaussian_heuristic(basis);
    RecordProperty("nodes_" + std::to_string(rows), std::to_string(found.nodes));
  }
}

}  // namespace
}  // namespace cllm::lattice
