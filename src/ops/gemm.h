// The matrix product: packed panels, cache blocks, threads over tiles cut by shape only, and a
// fused epilogue. Method: Goto & van de Geijn, "Anatomy of high-performance matrix multiplication"
// (2008). The three products of a linear layer with X [N, I], W [O, I], Y [N, O]:
//   forward  Y  = X W^T      m = N, n = O, k = I, a = X, b = W transposed (packed once per step)
//   dX       dX = dY W       m = N, n = I, k = O, a = dY, b = W (packed once per step)
//   dW       dW += dY^T X    m = O, n = I, k = N, a = dY transposed, b = X, accumulate
// Activations may be fp32, bf16 or fp16; sums are always fp32. Where the kernels have bf16 pairs, a
// product of bf16 operands uses them; else 16-bit operands are widened while they are packed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/context.h"
#include "ops/elementwise.h"
#include "ops/values.h"

namespace cllm::ops {

// In what a product multiplies; both sum in fp32.
enum class Compute { kFp32, kBf16 };

// kBf16 if `storage` is bf16 and the kernels multiply bf16, else kFp32.
Compute compute_for(const Context& context, Storage storage);

// B of a product in the layout that the kernels read, for as many products as use it.
struct PackedMatrix {
  const float* data = nullptr;  // packed_floats(), 64-byte aligned; not owned
  int64_t k = 0, n = 0;
  Compute compute = Compute::kFp32;
  bool from_transposed =
      false;  // what it was packed from: says only how a profile names the product
};

// Floats that a packed B [k, n] takes.
int64_t packed_floats(const Context& context, Compute compute, int64_t k, int64_t n);

// packed = B; b is fp32 [k, n], or [n, k] if b_transposed, row stride ldb. Threaded; no allocation.
PackedMatrix pack(const Context& context, Compute compute, int64_t k, int64_t n, const float* b,
                  int64_t ldb, bool b_transposed, float* packed);

// What happens to a finished tile before it is stored, in this order; any part may be absent:
// value += bias[column]; auxiliary[row, column] = value (before the activation) when an activation
// is set; value = activation(value); value = dropout(value); value += residual[row, column]. Every
// step is in fp32 and C is rounded once. The two *Backward forms multiply by the derivative at
// auxiliary (read): value *= f'(auxiliary).
// SwiGLU changes the width of C. kSwiglu: n = 2F, values [gate F | up F]; C [m, F] =
// silu(gate) * up, auxiliary [m, 2F] with row stride 2 ldc. kSwigluBackward: n = F, the value is
// the gradient of that product; C [m, 2F] = [dgate F | dup F], auxiliary [m, 2F] (read) has C's row
// stride and may be C; no bias, dropout or residual.
using kernels::Activation;  // kNone, kGelu, kRelu2, kSwiglu and their *Backward

struct Epilogue {
  const float* bias = nullptr;  // [n]
  Activation activation = Activation::kNone;
  // [m, n], row stride ldc, not c: written forward (may be null), read backward. Of c's type.
  Values auxiliary;
  // A probability; the mask is that of ops::dropout() on C without gaps between its rows.
  float dropout = 0;
  DropoutKey dropout_key;
  // [m, n], row stride ldc; may equal c if no activation is set. Of c's type.
  ConstValues residual;
};

// C [m, n] = epilogue(op(A) op(B))           (accumulate == false)
// C [m, n] = C + op(A) op(B)                 (accumulate == true; fp32 C, no epilogue allowed)
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  ConstValues a;    // [m, k], or [k, m] if a_transposed
  int64_t lda = 0;  // row stride in elements of the matrix as stored
  bool a_transposed = false;
  ConstValues b;  // [k, n], or [n, k] if b_transposed; of a's type, or fp32
  int64_t ldb = 0;
  bool b_transposed = false;
  const PackedMatrix* packed = nullptr;  // in place of b, ldb and b_transposed
  Values c;                              // [m, n]
  int64_t ldc = 0;
  bool accumulate = false;
  Epilogue epilogue;
};

// Elements (floats) of scratch that gemm() needs for this product, and for one that differs in
// fewer rows m or columns n, or with A transposed or fp32 in less depth k >= 1. Of the operands
// their types count, and whether B is packed; the rest may be absent. Fastest on huge pages.
size_t gemm_scratch(const Context& context, const Gemm& call);
// The most that it can be in a context.
size_t gemm_scratch(const Context& context);

// Runs the product. scratch: gemm_scratch() floats, 64-byte aligned, overwritten. No allocation.
// The bits of C depend on m, n, k, the types, the flags and the kernel table, never on the number
// of threads or the caches; a packed B gives the same as an unpacked one of the same Compute (but
// up to 16 rows times an unpacked fp32 [n, k] are dot products, in fp32). k == 0 gives the empty
// sum.
void gemm(const Context& context, const Gemm& call, float* scratch);

}  // namespace cllm::ops
