// Nearest points of the classical lattices: every class of classical.h is a shifted D_n, decoded by
// rounding and, where the parity is wrong, rounding the coordinate of the largest error the other
// way (Conway and Sloane 1982); the nearest class wins.
#pragma once

#include <span>

#include "lattice/classical.h"

namespace cllm::lattice {

// Largest coordinate that is decoded: beyond it a double no longer holds the quarters that decide.
inline constexpr double kLargestCoordinate = 0x1p50;

// Decodes `count` targets at once. Targets and points lie coordinate after coordinate: coordinate i
// of target p is targets[i * count + p], in the integer coordinates of classical.h (divide a point
// by coordinate_scale). distances2: squared distances, in the points' scale; may be empty. A tie
// goes to one of the nearest points, always the same. Error (kData) for a coordinate that is not
// finite or larger than kLargestCoordinate.
void decode(Classical lattice, std::span<const double> targets, size_t count,
            std::span<int64_t> points, std::span<double> distances2 = {});

// One target; returns the squared distance.
double decode_one(Classical lattice, std::span<const double> target, std::span<int64_t> point);

// The normalised second moment (mean squared error per dimension over volume^(2/n)) of a lattice's
// Voronoi cell by Monte Carlo.
struct SecondMoment {
  double value = 0;
  double standard_error = 0;
};
// samples >= 2; the same seed gives the same numbers.
SecondMoment measure_second_moment(Classical lattice, uint64_t samples, uint64_t seed);

}  // namespace cllm::lattice
