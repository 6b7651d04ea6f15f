// The fp32 matrix product: packed panels, cache blocks, threads over tiles cut by shape only, and a
// fused epilogue. Method: Goto & van de Geijn, "Anatomy of high-performance matrix multiplication"
// (2008). The three products of a linear layer with X [N, I], W [O, I], Y [N, O]:
//   forward  Y  = X W^T      m = N, n = O, k = I, a = X, b = W transposed
//   dX       dX = dY W       m = N, n = I, k = O, a = dY, b = W
//   dW       dW += dY^T X    m = O, n = I, k = N, a = dY transposed, b = X, accumulate
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/context.h"

namespace cllm::ops {

// What happens to a finished tile before it is stored, in this order; any part may be absent:
// value += bias[column]; auxiliary[row, column] = value (before the activation) when an activation
// is set; value = activation(value); value += residual[row, column]. The two *Backward forms
// multiply by the derivative at auxiliary (read): value *= f'(auxiliary).
using kernels::Activation;  // kNone, kGelu, kRelu2, kGeluBackward, kRelu2Backward

struct Epilogue {
  const float* bias = nullptr;  // [n]
  Activation activation = Activation::kNone;
  // [m, n], row stride ldc, not c: written forward (may be null), read backward.
  float* auxiliary = nullptr;
  // [m, n], row stride ldc; may equal c if no activation is set (the sum then starts from it).
  const float* residual = nullptr;
};

// C [m, n] = epilogue(op(A) op(B))           (accumulate == false)
// C [m, n] = C + op(A) op(B)                 (accumulate == true; no epilogue allowed)
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;  // [m, k], or [k, m] if a_transposed
  int64_t lda = 0;           // row stride in elements of the matrix as stored
  bool a_transposed = false;
  const float* b = nullptr;  // [k, n], or [n, k] if b_transposed
  int64_t ldb = 0;
  bool b_transposed = false;
  float* c = nullptr;  // [m, n]
  int64_t ldc = 0;
  bool accumulate = false;
  Epilogue epilogue;
};

// Elements (floats) of scratch that gemm() needs, the same for every call: 8 MiB and at most 96 KiB
// per thread. Fastest on huge pages.
size_t gemm_scratch(const Context& context);

// Runs the product. scratch: gemm_scratch() floats, 64-byte aligned, overwritten. No allocation.
// The bits of C depend on m, n, k, the flags and the kernel table, never on the number of threads.
// k == 0 gives the empty sum.
void gemm(const Context& context, const Gemm& call, float* scratch);

}  // namespace cllm::ops
