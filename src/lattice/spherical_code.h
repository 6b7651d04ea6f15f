// Spherical codes: unit vectors whose pairwise angles are bounded from below by construction.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace cllm::lattice {

// The simplex (n + 1 vectors in n dimensions, cosines -1/n: optimal), the orthoplex (2n, 0 or -1:
// optimal), and the kissing configurations of E8 (240 in 8 dimensions, at most 1/2) and of the
// Leech lattice (196560 in 24, at most 1/2), both optimal too.
enum class SphericalCode { kSimplex, kOrthoplex, kE8, kLeech };

// How many vectors there are in n >= 1 dimensions. Error (kUsage) if the code does not exist in n
// dimensions.
uint64_t spherical_code_size(SphericalCode code, size_t dimensions);

// The largest cosine between two different vectors.
double largest_cosine(SphericalCode code, size_t dimensions);

// Vector `index` < size; out has n elements. The first n of the orthoplex are orthonormal. O(n), no
// table.
void spherical_vector(SphericalCode code, uint64_t index, std::span<double> out);

}  // namespace cllm::lattice
