#include "bench/staircase_layers.h"

#include <algorithm>
#include <cmath>

#include "ops/chunks.h"
#include "ops/cross_entropy.h"
#include "ops/elementwise.h"
#include "ops/row_blocks.h"

namespace cllm::bench {
namespace {

// Any logit beside it has the probability zero.
constexpr float kNoLogit = -1e30f;

template <class Body>
void for_each_row(const ops::Context& context, int64_t N, Body body) {
  const ops::RowBlocks cut(N);
  context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
    for (int64_t n = cut.begin(block); n < cut.end(block); ++n)
      body(n);
  });
}

// The first n of row [n + 1] = softmax of themselves; the last is overwritten. The gradient of a
// cross-entropy is the probabilities, except at the target: an extra place that has none.
void softmax_row(const kernels::Table& table, int64_t n, float* row) {
  row[n] = kNoLogit;
  const kernels::CrossEntropyRow call{.count = n + 1, .target = n, .gradient_scale = 1};
  table.fp32.rows.cross_entropy(&call, row);
}

// Where a head of a sequence lies in rows [B T, width].
int64_t head_offset(const HeadShape& shape, int64_t task, int64_t width) {
  return task / shape.H * shape.T * width + task % shape.H * shape.D;
}

}  // namespace

Layers::Layers(const Features& features, const ops::Context& context, int64_t reduction_floats,
               int64_t longest)
    : features_(features),
      context_(context),
      products_(features, context),
      reduction_(static_cast<size_t>(reduction_floats)) {
  const int workers = context.pool.size();
  for (int worker = 0; worker < workers; ++worker) {
    solos_.push_back(std::make_unique<Solo>(context.kernels));
    head_products_.push_back(std::make_unique<Products>(features, solos_.back()->context));
  }
  head_gradients_.resize(static_cast<size_t>(workers * longest * (longest + 1)));
}

void Layers::gelu_backward(int64_t count, const float* hidden, float* dx) {
  const kernels::GemmKernels& kernels = context_.kernels.gemm;
  const int64_t columns = kernels.strip * kernels.strips;
  ops::for_each_chunk(context_, count, [&](int64_t begin, int64_t length) {
    for (int64_t i = begin; i < begin + length; i += columns) {
      kernels::GemmTile tile;  // of the empty product: what remains is its epilogue
      tile.rows = 1;
      tile.columns = std::min(columns, begin + length - i);
      tile.start = dx + i;
      tile.result.c = dx + i;
      tile.result.activation = ops::Activation::kGeluBackward;
      tile.result.auxiliary = const_cast<float*>(hidden) + i;
      kernels.fp32.tile(tile);
    }
  });
}

void Layers::add_bias(int64_t N, int64_t width, const float* bias, float* y) {
  for_each_row(context_, N, [&](int64_t n) {
    context_.kernels.fp32.rows.accumulate(width, bias, y + n * width);
  });
}

void Layers::linear_forward(int64_t N, const LinearPlace& place, const float* weights,
                            const float* x, float* y, LinearFinish finish) {
  const ProductSize size{N, place.in, place.out};
  const ConstMatrix input(x, place.in), matrix(weights + place.weight, place.in);
  const float* bias = place.bias >= 0 ? weights + place.bias : nullptr;
  const bool active = finish.hidden != nullptr;
  if (features_.fused) {
    const auto activation = active ? ops::Activation::kGelu : ops::Activation::kNone;
    products_.forward(size, input, matrix, {y, place.out},
                      {.bias = bias,
                       .activation = activation,
                       .auxiliary = finish.hidden,
                       .residual = finish.residual});
    return;
  }
  float* sum = active ? finish.hidden : y;
  products_.forward(size, input, matrix, {sum, place.out});
  if (bias != nullptr) add_bias(N, place.out, bias, sum);
  if (active) ops::activate(context_, N * place.out, ops::Activation::kGelu, sum, y);
  if (finish.residual != nullptr) ops::add(context_, N * place.out, y, finish.residual, y);
}

void Layers::linear_backward(int64_t N, const LinearPlace& place, const float* weights,
                             const float* x, const float* dy, float* gradients, float* dx,
                             const float* hidden) {
  const ProductSize size{N, place.in, place.out};
  const ConstMatrix doutput(dy, place.out), matrix(weights + place.weight, place.in);
  products_.backward_weight(size, doutput, {x, place.in}, {gradients + place.weight, place.in});
  if (place.bias >= 0)
    ops::column_sum(context_, N, place.out, dy, place.out, gradients + place.bias, reduction());
  if (features_.fused && hidden != nullptr) {
    products_.backward_input(
        size, doutput, matrix, {dx, place.in},
        {.activation = ops::Activation::kGeluBackward, .auxiliary = const_cast<float*>(hidden)});
    return;
  }
  products_.backward_input(size, doutput, matrix, {dx, place.in});
  if (hidden != nullptr) gelu_backward(N * place.in, hidden, dx);
}

void Layers::softmax_rows(const HeadShape& shape, float* scores) const {
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.D)));
  for (int64_t t = 0; t < shape.T; ++t) {
    float* row = scores + t * (shape.T + 1);
    for (int64_t s = 0; s <= t; ++s)
      row[s] *= scale;
    softmax_row(context_.kernels, t + 1, row);
    std::fill(row + t + 1, row + shape.T + 1, 0.0f);
  }
}

void Layers::softmax_rows_backward(const HeadShape& shape, Products& products,
                                   const float* probabilities, float* gradient) {
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.D)));
  const int64_t stride = shape.T + 1;
  for (int64_t t = 0; t < shape.T; ++t) {
    const float* p = probabilities + t * stride;
    float* dp = gradient + t * stride;
    float sum = 0;
    products.forward({1, t + 1, 1}, {p, stride}, {dp, stride}, {&sum, 1});
    for (int64_t s = 0; s <= t; ++s)
      dp[s] = p[s] * (dp[s] - sum) * scale;
    std::fill(dp + t + 1, dp + stride, 0.0f);
  }
}

void Layers::attention_forward(const HeadShape& shape, const float* qkv, float* probabilities,
                               float* heads) {
  const int64_t T = shape.T, D = shape.D, C = shape.C();
  context_.pool.parallel_for(shape.B * shape.H, [&](int64_t task, int worker) {
    Products& products = *head_products_[static_cast<size_t>(worker)];
    const float* q = qkv + head_offset(shape, task, 3 * C);
    const Matrix p{probabilities + task * shape.matrix_floats(), T + 1};
    products.forward({T, D, T}, {q, 3 * C}, {q + C, 3 * C}, p);
    softmax_rows(shape, p.data);
    products.backward_input({T, D, T}, p, {q + 2 * C, 3 * C},
                            {heads + head_offset(shape, task, C), C});
  });
}

void Layers::attention_backward(const HeadShape& shape, const float* qkv,
                                const float* probabilities, const float* dheads, float* dqkv) {
  const int64_t T = shape.T, D = shape.D, C = shape.C();
  ops::fill_zero(context_, shape.B * T * 3 * C, dqkv);
  context_.pool.parallel_for(shape.B * shape.H, [&](int64_t task, int worker) {
    Products& products = *head_products_[static_cast<size_t>(worker)];
    const int64_t offset = head_offset(shape, task, 3 * C);
    const float* q = qkv + offset;
    float* dq = dqkv + offset;
    const ConstMatrix p(probabilities + task * shape.matrix_floats(), T + 1);
    const ConstMatrix dout(dheads + head_offset(shape, task, C), C);
    const Matrix dp{head_gradients_.data() + worker * shape.matrix_floats(), T + 1};
    products.backward_weight({T, D, T}, p, dout, {dq + 2 * C, 3 * C});
    products.forward({T, D, T}, dout, {q + 2 * C, 3 * C}, dp);
    softmax_rows_backward(shape, products, p.data, dp.data);
    products.backward_input({T, D, T}, dp, {q + C, 3 * C}, {dq, 3 * C});
    products.backward_weight({T, D, T}, dp, {q, 3 * C}, {dq + C, 3 * C});
  });
}

void Layers::separate_cross_entropy(int64_t N, int64_t V, const int32_t* targets, float scale,
                                    float* logits, float* probabilities, float* losses) {
  for_each_row(context_, N, [&](int64_t n) {
    float* row = probabilities + n * (V + 1);
    std::copy(logits + n * V, logits + (n + 1) * V, row);
    softmax_row(context_.kernels, V, row);
  });
  for (int64_t n = 0; n < N; ++n)
    losses[n] = -std::log(probabilities[n * (V + 1) + targets[n]]);
  for_each_row(context_, N, [&](int64_t n) {
    float* gradient = logits + n * V;
    for (int64_t v = 0; v < V; ++v)
      gradient[v] = scale * probabilities[n * (V + 1) + v];
    gradient[targets[n]] -= scale;
  });
}

double Layers::cross_entropy(int64_t N, int64_t V, const int32_t* targets, float scale,
                             float* logits, float* probabilities, float* losses) {
  if (features_.fused)
    ops::cross_entropy(context_, N, V, 0, targets, scale, logits, losses);
  else
    separate_cross_entropy(N, V, targets, scale, logits, probabilities, losses);
  return ops::sum_losses(N, losses);
}

}  // namespace cllm::bench
