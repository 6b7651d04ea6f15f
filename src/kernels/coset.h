// Nearest points of a union of shifted D_n (Conway and Sloane 1982): every coordinate is rounded,
// and where the parity of the sum is wrong, the one of the largest error goes the other way; the
// nearest coset wins. Points lie in blocks of kCosetBlock, coordinate after coordinate.
#pragma once

#include <cstdint>

namespace cllm::kernels {

inline constexpr int64_t kCosetBlock = 16;

// count >= 1 cosets { residue + modulus z : z in Z^dimension, parity of the sum of z as given }.
struct Cosets {
  int64_t count = 0, dimension = 0;
  double modulus = 0;       // a power of two
  bool has_parity = false;  // else z is any
  const double* residues;   // [count, dimension]
  const int64_t* parities;  // [count], 0 or 1
  const double* weights;    // [dimension], of each coordinate in the squared distance; all 1 if
                            // has_parity
};

struct CosetKernels {
  // points [dimension, kCosetBlock] = the nearest points of targets [dimension, kCosetBlock], and
  // distances2 [kCosetBlock] = their squared distances. |target| <= 2^50. A tie goes to the first
  // coset, and to the repair of the first coordinate. The same bits in every table.
  void (*nearest)(const Cosets& cosets, const double* targets, double* points, double* distances2);
};

}  // namespace cllm::kernels
