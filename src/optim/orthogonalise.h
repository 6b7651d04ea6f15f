// The nearest matrix with singular values of about one: if x = U S V^T, then about U V^T. By the
// quintic Newton-Schulz iteration with the coefficients of Jordan et al. ("Muon: an optimizer for
// hidden layers in neural networks", 2024), run on the Gram matrix of the short side: every iterate
// is x times a polynomial in that matrix, so x itself is read twice only, and all products between
// are symmetric, of which the part above the diagonal is computed and mirrored.
#pragma once

#include <cstdint>

#include "ops/context.h"

namespace cllm::optim {

// Elements (floats) of scratch that orthogonalise() needs for a matrix of this shape, or a smaller
// one: 4 squares of the short side, and what ops::gemm takes.
int64_t orthogonalise_scratch(const ops::Context& context, int64_t rows, int64_t columns);

// out [rows, columns] = x [rows, columns] with every singular value s moved to about 1: into [0.68,
// 1.21] if s is above 0.002 of the Frobenius norm of x; a smaller share is multiplied by 485 or
// less. A norm below 1e-12 counts as 1e-12, so that zeros give zeros. x and out must not overlap.
// scratch: orthogonalise_scratch() floats, 64-byte aligned, overwritten. With a short side s and a
// long side l it takes 17 f s^3 + (f + 1) s^2 l multiply-adds, where f is the share of a symmetric
// product that is computed, a half and what its bands of rows add: 1 for s = 128, 0.81 for 256. No
// allocation; the bits do not depend on the number of threads.
void orthogonalise(const ops::Context& context, int64_t rows, int64_t columns, const float* x,
                   float* out, float* scratch);

// Multiplications and additions that it takes.
double orthogonalise_flops(int64_t rows, int64_t columns);

}  // namespace cllm::optim
