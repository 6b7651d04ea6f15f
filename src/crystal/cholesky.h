// Cholesky factors of symmetric positive definite matrices in doubles, row-major: what quantisers
// need of a Hessian. Results have the same bits for any number of threads.
#pragma once

#include <span>

#include "threads/pool.h"

namespace cllm {

// matrix [n, n] = L with L L^T = matrix; reads the lower triangle, the strict upper one becomes
// zero. False, and a matrix of no use, if it is not positive definite to working precision or not
// finite. n^3 / 3 operations.
[[nodiscard]] bool cholesky(std::span<double> matrix, size_t n, ThreadPool& pool);

// x [n] = (L L^T)^-1 x. 2 n^2 operations, one thread.
void cholesky_solve(std::span<const double> factor, std::span<double> x);

// log(det(L L^T)).
double log_determinant(std::span<const double> factor, size_t n);

}  // namespace cllm
