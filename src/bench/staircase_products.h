// The three products of a linear layer, Y = X W^T, dX = dY W, dW += dY^T X, as the stairs make
// them: scalar loops, SIMD row by row, SIMD in register tiles of many rows, or packed.
#pragma once

#include <cstdint>

#include "bench/staircase_stairs.h"
#include "ops/gemm.h"
#include "tensor/arena.h"

namespace cllm::bench {

// A matrix in memory: first element and floats between rows.
struct Matrix {
  float* data = nullptr;
  int64_t stride = 0;
};
struct ConstMatrix {
  const float* data = nullptr;
  int64_t stride = 0;
  ConstMatrix(const float* first, int64_t row_stride) : data(first), stride(row_stride) {}
  ConstMatrix(Matrix matrix) : data(matrix.data), stride(matrix.stride) {}
};

struct ProductSize {
  int64_t N = 0, in = 0, out = 0;
};

// Owns the scratch of packing. One thread of the caller at a time. context must outlive it.
class Products {
 public:
  Products(const Features& features, const ops::Context& context);

  // y [N, out] = epilogue(x [N, in] w^T), w [out, in]. Only packed products take an epilogue.
  void forward(ProductSize size, ConstMatrix x, ConstMatrix w, Matrix y,
               const ops::Epilogue& epilogue = {});
  // dx [N, in] = epilogue(dy [N, out] w). Rows of w are readable up to a whole vector.
  void backward_input(ProductSize size, ConstMatrix dy, ConstMatrix w, Matrix dx,
                      const ops::Epilogue& epilogue = {});
  // dw [out, in] += dy^T x. Rows of x are readable up to a whole vector.
  void backward_weight(ProductSize size, ConstMatrix dy, ConstMatrix x, Matrix dw);

 private:
  void dots(ProductSize size, ConstMatrix x, ConstMatrix w, Matrix y) const;
  // c [rows, columns] = A b [k, columns], or += ; A(r, p) = a[r * a_row + p * a_step].
  struct Tiles {
    int64_t rows, columns, k;
    const float* a;
    int64_t a_row, a_step;
    ConstMatrix b;
    Matrix c;
    bool accumulate;
  };
  void tiles(const Tiles& product) const;

  const Features features_;
  const ops::Context& context_;
  Arena scratch_;  // of ops::gemm, if packed
};

}  // namespace cllm::bench
