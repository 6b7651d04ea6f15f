// Random bases for tests and experiments, after fplll's latticegen: a pure function of the
// arguments, though not latticegen's own numbers.
#pragma once

#include <cstdint>

#include "lattice/matrix.h"

namespace cllm::lattice {

enum class BasisKind {
  kUniform,         // entries of `bits` bits
  kKnapsack,        // (x_i | identity), x_i of `bits` bits: rows x (rows + 1)
  kQary,            // (identity A; 0 q), A and q of `bits` bits, half of the rows each
  kNtru,            // the same with a circulant A
  kGoldsteinMayer,  // (p 0; x identity), p a prime of `bits` bits: a random lattice of volume p
};

// Error (kUsage) for no rows, an odd number of them for kQary and kNtru, or bits outside
// [1, 1 million]; (kMemory) if the basis would not fit.
IntegerMatrix generate_basis(BasisKind kind, int64_t rows, int64_t bits, uint64_t seed);

}  // namespace cllm::lattice
