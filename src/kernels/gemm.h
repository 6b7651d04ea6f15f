// Kernels of the matrix product: packing into panels, the register tile with its fused epilogue,
// and the dot-product tile for products of few rows. Blocking and threads are the business of
// ops/gemm.
#pragma once

#include <cstdint>

namespace cllm::kernels {

// The two *Backward forms multiply by the derivative at `auxiliary`.
enum class Activation { kNone, kGelu, kRelu2, kGeluBackward, kRelu2Backward };

// One tile: C(r, j) = epilogue(start(r, j) + sum over p < k of A(r, p) B(p, j)), where, in this
// order,
//   value += bias[j]; auxiliary(r, j) = value (forward activations only);
//   value = activation(value); value += residual(r, j).
// Null pointers leave their step out. start, auxiliary and residual have the row stride of c and
// may equal c. Elements of C outside rows x columns are neither read nor written.
struct GemmTile {
  int64_t rows = 0;          // tile(): 1..GemmKernels::rows; dots(): 1..GemmKernels::kDotRows
  int64_t columns = 0;       // tile(): 1..GemmKernels::columns; dots(): 1..GemmKernels::kDotColumns
  int64_t k = 0;             // >= 0
  const float* a = nullptr;  // A(r, p) = a[r * a_row + p * a_step]; dots(): a_step is 1
  int64_t a_row = 0;
  int64_t a_step = 0;
  const float* b = nullptr;  // tile(): B(p, j) = b[p * b_stride + j], readable up to the next
  int64_t b_stride = 0;      // whole vector of columns; dots(): B(p, j) = b[j * b_stride + p]
  float* c = nullptr;        // [rows, columns], row stride ldc
  int64_t ldc = 0;
  const float* start = nullptr;
  const float* bias = nullptr;
  Activation activation = Activation::kNone;
  float* auxiliary = nullptr;
  const float* residual = nullptr;
};

struct GemmKernels {
  static constexpr int64_t kDotRows = 16;
  static constexpr int64_t kDotColumns = 16;

  int64_t rows;     // of a full register tile
  int64_t columns;  // of a full register tile = width of a panel of B

  // panel [k, GemmKernels::columns] = the first `count` columns of b [k, count], row stride ldb;
  // the columns beyond are zero. 1 <= count <= columns.
  void (*pack_columns)(int64_t k, int64_t count, const float* b, int64_t ldb, float* panel);
  // The same from b stored as [count, k].
  void (*pack_columns_transposed)(int64_t k, int64_t count, const float* b, int64_t ldb,
                                  float* panel);
  // From a stored as [k, count], row stride lda: ceil(count / rows) blocks [k, GemmKernels::rows],
  // block_stride apart; rows beyond count are zero.
  void (*pack_rows_transposed)(int64_t k, int64_t count, const float* a, int64_t lda, float* blocks,
                               int64_t block_stride);
  // The register tile. Each element is summed in the order of p.
  void (*tile)(const GemmTile& tile);
  // The same for few rows and B transposed in memory, where packing B would cost more than the
  // product: each element is a dot product, summed in V::kLanes interleaved parts.
  void (*dots)(const GemmTile& tile);
};

}  // namespace cllm::kernels
