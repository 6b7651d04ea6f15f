// Eigenvalues and eigenvectors of a symmetric matrix in doubles: reflections to tridiagonal form
// (Householder 1958), then implicit QL steps with Wilkinson's shift (Bowdler, Martin, Reinsch and
// Wilkinson 1968). Both are backward stable: the result is exact for a matrix that differs from the
// given one by a small multiple of n eps in norm.
#pragma once

#include <span>
#include <vector>

#include "threads/pool.h"

namespace cllm {

struct SymmetricEigen {
  std::vector<double> values;   // [n], falling
  std::vector<double> vectors;  // [n, n]: row i belongs to values[i]; rows are orthonormal
};

// matrix [n, n], row-major, symmetric and finite (CHECKs the latter). Some 9 n^3 operations, rows
// shared among the threads; the same bits for any number of them.
SymmetricEigen symmetric_eigen(std::span<const double> matrix, size_t n, ThreadPool& pool);

}  // namespace cllm
