// The matrix products of training: which shapes `cllm bench gemm` measures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace cllm::bench {

enum class Product { kForward, kInputGradient, kWeightGradient };

// C [m, n] = A B over k: forward X W^T, dX = dY W, dW += dY^T X.
struct GemmShape {
  Product product = Product::kForward;
  int64_t m = 0, n = 0, k = 0;

  std::string name() const;  // "fwd 2048x384x384", "dX ...", "dW ..."
  double flops() const { return 2.0 * static_cast<double>(m * n) * static_cast<double>(k); }
  bool a_transposed() const { return product == Product::kWeightGradient; }
  bool b_transposed() const { return product == Product::kForward; }
  bool accumulate() const { return product == Product::kWeightGradient; }
  bool operator==(const GemmShape&) const = default;
};

// The shapes that the project compares itself by: widths 384 and 768, N = 2048 and 8192, a head.
std::vector<GemmShape> reference_shapes();

// Forward, dX and dW of every linear layer of a model on `rows` rows, each shape once; the head on
// `head_rows` rows, since its logits are made a part at a time.
std::vector<GemmShape> model_shapes(const ModelConfig& config, int64_t rows, int64_t head_rows);

}  // namespace cllm::bench
