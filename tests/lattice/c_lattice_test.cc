// The C interface: what it returns, what it refuses, and that a stop comes through.
#include <primemath/lattice.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

struct BasisDestroyer {
  void operator()(primemath_basis* basis) const { primemath_basis_destroy(basis); }
};
using Handle = std::unique_ptr<primemath_basis, BasisDestroyer>;

Handle parsed(const std::string& text) {
  primemath_basis* basis = nullptr;
  EXPECT_EQ(primemath_basis_parse(text.data(), text.size(), &basis), PRIMEMATH_OK)
      << primemath_last_error();
  return Handle(basis);
}

std::string printed(const Handle& basis) {
  size_t needed = 0;
  EXPECT_EQ(primemath_basis_print(basis.get(), nullptr, 0, &needed), PRIMEMATH_BUFFER_TOO_SMALL);
  std::string text(needed, '\0');
  EXPECT_EQ(primemath_basis_print(basis.get(), text.data(), needed, nullptr), PRIMEMATH_OK);
  text.pop_back();
  return text;
}

TEST(CLattice, BasesGoInAndOut) {
  const int64_t entries[] = {1, -2, 3, 4, 5, INT64_MIN};
  primemath_basis* raw = nullptr;
  ASSERT_EQ(primemath_basis_create(entries, 2, 3, &raw), PRIMEMATH_OK);
  const Handle basis(raw);
  EXPECT_EQ(primemath_basis_rows(raw), 2u);
  EXPECT_EQ(primemath_basis_columns(raw), 3u);
  EXPECT_EQ(printed(basis), "[[1 -2 3]\n[4 5 -9223372036854775808]]\n");
  int64_t entry = 0;
  EXPECT_EQ(primemath_basis_entry(raw, 1, 2, &entry), PRIMEMATH_OK);
  EXPECT_EQ(entry, INT64_MIN);
  EXPECT_EQ(primemath_basis_entry(raw, 2, 0, &entry), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_basis_entry(parsed("[[99999999999999999999]]").get(), 0, 0, &entry),
            PRIMEMATH_BAD_DATA);
  EXPECT_EQ(primemath_basis_create(entries, 0, 3, &raw), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_basis_create(nullptr, 1, 1, &raw), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_basis_parse("[[1 x]]", 7, &raw), PRIMEMATH_BAD_DATA);
  EXPECT_NE(std::string(primemath_last_error()).find("'x' is not an integer"), std::string::npos);
  primemath_basis_destroy(nullptr);
}

TEST(CLattice, ReducesSearchesAndJudges) {
  const Handle basis = parsed("[[201 37][1648 297]]");
  primemath_basis* raw = nullptr;
  ASSERT_EQ(primemath_basis_reduce(basis.get(), 0.99, 0.51, 0, nullptr, nullptr, &raw),
            PRIMEMATH_OK);
  const Handle reduced(raw);
  int holds = -1;
  EXPECT_EQ(primemath_is_reduced(reduced.get(), 0.99, 0.51, &holds), PRIMEMATH_OK);
  EXPECT_EQ(holds, 1);
  EXPECT_EQ(primemath_is_reduced(basis.get(), 0.99, 0.51, &holds), PRIMEMATH_OK);
  EXPECT_EQ(holds, 0);
  EXPECT_NE(std::string(primemath_last_error()).find("mu(2, 1)"), std::string::npos);
  EXPECT_EQ(primemath_is_same_lattice(basis.get(), reduced.get(), &holds), PRIMEMATH_OK);
  EXPECT_EQ(holds, 1);
  ASSERT_EQ(primemath_shortest_vector(basis.get(), nullptr, nullptr, &raw), PRIMEMATH_OK);
  const Handle shortest(raw);
  EXPECT_EQ(primemath_is_member(shortest.get(), basis.get(), &holds), PRIMEMATH_OK);
  EXPECT_EQ(holds, 1);
  ASSERT_EQ(primemath_basis_hermite(basis.get(), &raw), PRIMEMATH_OK);
  const Handle form(raw);
  // det = 201 * 297 - 37 * 1648 = -1279, a prime: the form is (1 h; 0 1279).
  int64_t corner = 0;
  EXPECT_EQ(primemath_basis_entry(form.get(), 1, 1, &corner), PRIMEMATH_OK);
  EXPECT_EQ(corner, 1279);
  EXPECT_EQ(primemath_is_same_lattice(form.get(), basis.get(), &holds), PRIMEMATH_OK);
  EXPECT_EQ(holds, 1);
}

TEST(CLattice, FindsClosestVectors) {
  const Handle basis = parsed("[[2 0][1 2]]");
  const double target[] = {2.75, 1.5};
  for (const auto method : {PRIMEMATH_CLOSEST_ROUNDING, PRIMEMATH_CLOSEST_PLANE,
                            PRIMEMATH_CLOSEST_K_BEST, PRIMEMATH_CLOSEST_EXACT}) {
    primemath_basis* raw = nullptr;
    double distance = 0;
    ASSERT_EQ(
        primemath_closest_vector(basis.get(), target, method, 4, nullptr, nullptr, &raw, &distance),
        PRIMEMATH_OK);
    EXPECT_EQ(printed(Handle(raw)), "[[3 2]]\n");
    EXPECT_TRUE(std::abs(distance * distance - 0.3125) <= 1e-15);
  }
  primemath_basis* raw = nullptr;
  const double bad[] = {0, std::nan("")};
  EXPECT_EQ(primemath_closest_vector(basis.get(), bad, PRIMEMATH_CLOSEST_EXACT, 1, nullptr, nullptr,
                                     &raw, nullptr),
            PRIMEMATH_BAD_DATA);
  EXPECT_EQ(raw, nullptr);
}

TEST(CLattice, AStopComesThrough) {
  const Handle basis = parsed(format_matrix(random_knapsack(60, 120, 1)));
  primemath_basis* raw = nullptr;
  int calls = 0;
  const auto stop = [](void* context, const char*, uint64_t, uint64_t) {
    return ++*static_cast<int*>(context) == 3 ? 1 : 0;
  };
  EXPECT_EQ(primemath_shortest_vector(basis.get(), stop, &calls, &raw), PRIMEMATH_FAILED);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(raw, nullptr);
}

TEST(CLattice, ClassicalLatticesAndCodes) {
  EXPECT_EQ(primemath_kissing_number(PRIMEMATH_LEECH), 196560u);
  EXPECT_EQ(primemath_classical_dimension(static_cast<primemath_classical>(6)), 0u);
  std::vector<int32_t> vector(24);
  ASSERT_EQ(primemath_minimal_vector(PRIMEMATH_LEECH, 100'000, vector.data()), PRIMEMATH_OK);
  uint32_t index = 0;
  ASSERT_EQ(primemath_minimal_vector_index(PRIMEMATH_LEECH, vector.data(), &index), PRIMEMATH_OK);
  EXPECT_EQ(index, 100'000u);
  vector[0] += 1;
  EXPECT_EQ(primemath_minimal_vector_index(PRIMEMATH_LEECH, vector.data(), &index), PRIMEMATH_END);
  EXPECT_EQ(primemath_minimal_vector(PRIMEMATH_E8, 240, vector.data()), PRIMEMATH_INVALID_ARGUMENT);
  const double targets[] = {0.2, 1.1, -0.3, 1.9};
  int64_t points[4] = {};
  double distance = 0;
  ASSERT_EQ(primemath_decode(PRIMEMATH_D4, targets, 1, points, &distance), PRIMEMATH_OK);
  EXPECT_EQ((points[0] + points[1] + points[2] + points[3]) % 2, 0);
  EXPECT_EQ(primemath_decode(PRIMEMATH_D4, nullptr, 1, points, nullptr),
            PRIMEMATH_INVALID_ARGUMENT);
  uint64_t size = 0;
  double cosine = 0, simplex[3] = {};
  EXPECT_EQ(primemath_spherical_code_size(PRIMEMATH_SIMPLEX, 3, &size, &cosine), PRIMEMATH_OK);
  EXPECT_EQ(size, 4u);
  EXPECT_EQ(primemath_spherical_vector(PRIMEMATH_SIMPLEX, 3, 3, simplex), PRIMEMATH_OK);
  EXPECT_EQ(primemath_spherical_vector(PRIMEMATH_SIMPLEX, 4, 3, simplex),
            PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_spherical_code_size(PRIMEMATH_E8_CODE, 9, &size, nullptr),
            PRIMEMATH_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace cllm::lattice
