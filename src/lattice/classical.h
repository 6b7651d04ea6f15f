// The classical lattices A2, D4, E8, BW16 and the Leech lattice, each as a union of classes
//   { x : x_i = r_i mod q for all i, sum x_i = s mod t }
// of integer vectors (Conway and Sloane, "Sphere Packings, Lattices and Groups"). A class is r + q
// z with z of a given parity of its sum (t = 2 q), i.e. a shifted D_n; A2 has no condition on the
// sum.
//
//   lattice  integer x, point = x times  q  classes r                     s
//   A2       (1/2, sqrt(3)/2)            2  (0,0), (1,1)                  -
//   D4       1                           1  0                             0 mod 2
//   E8       1/2                         2  0, 1                          0 mod 4
//   BW16     1/sqrt(2)                   2  32 words of Reed-Muller(1,4)  0 mod 4
//   Leech    1/sqrt(8)                   4  2 c and 1 + 2 c, c in Golay   0 and 4 mod 8
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "lattice/matrix.h"

namespace cllm::lattice {

enum class Classical { kA2, kD4, kE8, kBw16, kLeech };
inline constexpr std::array kAllClassical = {Classical::kA2, Classical::kD4, Classical::kE8,
                                             Classical::kBw16, Classical::kLeech};
inline constexpr size_t kLargestDimension = 24;

// What a lattice is; lengths and volumes are those of points, not of integer vectors.
struct ClassicalFacts {
  std::string_view name;        // "leech", as on the command line
  size_t dimension = 0;         // also the number of coordinates
  double minimal_norm2 = 0;     // squared length of the shortest vectors
  uint32_t kissing_number = 0;  // how many there are
  double volume = 0;            // of a cell
  int modulus = 0;              // q of the table above
  bool has_parity = true;       // whether sums are restricted
  double second_moment = 0;     // normalised; Conway and Sloane, table 2.3, 6 digits
};
const ClassicalFacts& facts(Classical lattice);
// Error (kUsage) with the names if there is none of this name.
Classical classical_by_name(std::string_view name);

// point_i = coordinate_scale(lattice, i) * x_i.
double coordinate_scale(Classical lattice, size_t coordinate);
// Squared length of an integer vector over that of its point (A2: coordinate 1 counts three times).
int norm_divisor(Classical lattice);
// Squared length of the point of an integer vector.
double point_norm2(Classical lattice, std::span<const int32_t> x);

// A class of the table: the residues r and the sum's residue modulo 2 q.
struct LatticeClass {
  std::array<int8_t, kLargestDimension> residue{};
  int sum = 0;
};
size_t class_count(Classical lattice);  // 2, 1, 2, 32, 8192
LatticeClass lattice_class(Classical lattice, size_t index);

// Whether an integer vector belongs to the lattice.
bool contains(Classical lattice, std::span<const int64_t> x);

// A basis in integers that is isometric to the lattice up to a factor: the integer vectors of the
// table, except A2, which is written on three coordinates with sum zero. LLL-reduced.
IntegerMatrix classical_basis(Classical lattice);

}  // namespace cllm::lattice
