#include "bench/gemm_shapes.h"

#include <fmt/format.h>

#include <algorithm>

namespace cllm::bench {
namespace {

void add(std::vector<GemmShape>& shapes, const GemmShape& shape) {
  if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end()) shapes.push_back(shape);
}

// Y [N, O] = X [N, I] W^T.
void add_linear(std::vector<GemmShape>& shapes, int64_t N, int64_t O, int64_t I) {
  add(shapes, {Product::kForward, N, O, I});
  add(shapes, {Product::kInputGradient, N, I, O});
  add(shapes, {Product::kWeightGradient, O, I, N});
}

}  // namespace

std::string GemmShape::name() const {
  const char* kind = product == Product::kForward         ? "fwd"
                     : product == Product::kInputGradient ? "dX"
                                                          : "dW";
  return fmt::format("{} {}x{}x{}", kind, m, n, k);
}

std::vector<GemmShape> reference_shapes() {
  constexpr Product fwd = Product::kForward, dX = Product::kInputGradient;
  constexpr Product dW = Product::kWeightGradient;
  return {{fwd, 2048, 384, 384},   {fwd, 2048, 1536, 384}, {fwd, 2048, 384, 1536},
          {fwd, 2048, 768, 768},   {fwd, 2048, 3072, 768}, {fwd, 2048, 768, 3072},
          {fwd, 8192, 1536, 384},  {fwd, 8192, 768, 768},  {fwd, 8192, 3072, 768},
          {dX, 2048, 384, 1536},   {dX, 2048, 768, 3072},  {dX, 2048, 3072, 768},
          {dW, 1536, 384, 2048},   {dW, 3072, 768, 2048},  {dW, 3072, 768, 8192},
          {fwd, 1024, 50304, 768}, {dX, 8192, 768, 768},   {dW, 768, 768, 8192}};
}

std::vector<GemmShape> model_shapes(const ModelConfig& config, int64_t rows, int64_t head_rows) {
  const int64_t C = config.width, D = config.head_width(), F = config.mlp_hidden();
  const int64_t up = config.mlp == nn::MlpKind::kSwiglu ? 2 * F : F;
  std::vector<GemmShape> shapes;
  add_linear(shapes, rows, (config.heads + 2 * config.kv_head_count()) * D, C);
  add_linear(shapes, rows, C, config.heads * D);
  add_linear(shapes, rows, up, C);
  add_linear(shapes, rows, C, F);
  add_linear(shapes, head_rows, config.vocabulary_size, C);
  return shapes;
}

}  // namespace cllm::bench
