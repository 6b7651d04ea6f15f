#include "optim/muon.h"

#include <algorithm>
#include <cmath>

#include "ops/chunks.h"
#include "optim/orthogonalise.h"
#include "tensor/planner.h"

namespace cllm::optim {
namespace {

constexpr double kFirstMomentum = 0.85;

// The loops over elements are plain: they wait for memory, and take a hundredth of a step's time.

int64_t padded(int64_t floats) {
  return (floats + Planner::kAlignment - 1) / Planner::kAlignment * Planner::kAlignment;
}

// momentum = , direction =
void follow(const ops::Context& context, float beta, float gradient_scale, int64_t count,
            const float* gradients, float* momentum, float* direction) {
  const float rate = 1.0f - beta;
  ops::for_each_chunk(context, count, [=](int64_t begin, int64_t length) {
    for (int64_t i = begin; i < begin + length; ++i) {
      const float g = gradient_scale * gradients[i];
      const float m = momentum[i] + rate * (g - momentum[i]);
      momentum[i] = m;
      direction[i] = g + beta * (m - g);
    }
  });
}

void move(const ops::Context& context, float rate, float decay, bool cautious, int64_t count,
          const float* update, float* weights) {
  ops::for_each_chunk(context, count, [=](int64_t begin, int64_t length) {
    for (int64_t i = begin; i < begin + length; ++i) {
      const float w = weights[i];
      const float decayed = !cautious || w * update[i] > 0 ? decay * w : 0.0f;
      weights[i] = w - decayed - rate * update[i];
    }
  });
}

int64_t largest_matrix(std::span<const MuonMatrix> matrices) {
  int64_t floats = 0;
  for (const MuonMatrix& matrix : matrices)
    floats = std::max(floats, padded(matrix.rows * matrix.columns));
  return floats;
}

}  // namespace

double muon_momentum(double peak, int64_t warmup, int64_t update) {
  if (update >= warmup) return peak;
  const double first = std::min(kFirstMomentum, peak);
  return first + (peak - first) * static_cast<double>(update) / static_cast<double>(warmup);
}

int64_t muon_scratch(const ops::Context& context, std::span<const MuonMatrix> matrices) {
  int64_t floats = 0;
  for (const MuonMatrix& matrix : matrices)
    floats = std::max(floats, orthogonalise_scratch(context, matrix.rows, matrix.columns));
  return 2 * largest_matrix(matrices) + floats;
}

void muon_step(const ops::Context& context, const Muon& options,
               std::span<const MuonMatrix> matrices, double learning_rate, float gradient_scale,
               const float* gradients, float* weights, float* momentum, float* scratch) {
  const ops::ProfileScope scope(context.profile, "muon");
  const int64_t largest = largest_matrix(matrices);
  float* direction = scratch;
  float* update = direction + largest;
  const auto decay = static_cast<float>(learning_rate * options.weight_decay);
  for (const MuonMatrix& matrix : matrices) {
    const int64_t count = matrix.rows * matrix.columns;
    const double shape = static_cast<double>(matrix.rows) / static_cast<double>(matrix.columns);
    const auto rate = static_cast<float>(learning_rate * std::sqrt(std::max(1.0, shape)));
    follow(context, static_cast<float>(options.momentum), gradient_scale, count,
           gradients + matrix.begin, momentum + matrix.begin, direction);
    orthogonalise(context, matrix.rows, matrix.columns, direction, update, update + largest);
    move(context, rate, decay, options.cautious, count, update, weights + matrix.begin);
  }
}

}  // namespace cllm::optim
