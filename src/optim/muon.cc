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

bool is_of_one_thread(const MuonMatrix& matrix) {
  return std::min(matrix.rows, matrix.columns) <= MuonThreads::kSideOfOneThread;
}

// Direction and update of a matrix, and what orthogonalise() takes.
int64_t floats_of(const ops::Context& context, const MuonMatrix& matrix) {
  return 2 * padded(matrix.rows * matrix.columns) +
         orthogonalise_scratch(context, matrix.rows, matrix.columns);
}

struct Scratch {
  int64_t shared = 0;  // of the matrices that all threads share
  int64_t own = 0;     // of each thread, for a matrix of its own

  Scratch(const ops::Context& all, const ops::Context& alone,
          std::span<const MuonMatrix> matrices) {
    for (const MuonMatrix& matrix : matrices)
      if (is_of_one_thread(matrix))
        own = std::max(own, padded(floats_of(alone, matrix)));
      else
        shared = std::max(shared, floats_of(all, matrix));
  }
};

struct Step {
  const Muon& options;
  double learning_rate;
  float gradient_scale;
  const float* gradients;
  float *weights, *momentum;

  void operator()(const ops::Context& context, const MuonMatrix& matrix, float* scratch) const {
    const int64_t count = matrix.rows * matrix.columns;
    const double shape = static_cast<double>(matrix.rows) / static_cast<double>(matrix.columns);
    const auto rate = static_cast<float>(learning_rate * std::sqrt(std::max(1.0, shape)));
    float* const direction = scratch;
    float* const update = direction + padded(count);
    follow(context, static_cast<float>(options.momentum), gradient_scale, count,
           gradients + matrix.begin, momentum + matrix.begin, direction);
    orthogonalise(context, matrix.rows, matrix.columns, direction, update, update + padded(count));
    move(context, rate, static_cast<float>(learning_rate * options.weight_decay), options.cautious,
         count, update, weights + matrix.begin);
  }
};

}  // namespace

double muon_momentum(double peak, int64_t warmup, int64_t update) {
  if (update >= warmup) return peak;
  const double first = std::min(kFirstMomentum, peak);
  return first + (peak - first) * static_cast<double>(update) / static_cast<double>(warmup);
}

MuonThreads::MuonThreads(const ops::Context& context) : all_(context) {
  for (int worker = 0; worker < context.pool.size(); ++worker) {
    pools_.push_back(std::make_unique<ThreadPool>(1));
    alone_.push_back(context.on(*pools_.back()));
  }
}

int64_t muon_scratch(const ops::Context& context, std::span<const MuonMatrix> matrices) {
  ThreadPool one(1);
  const Scratch scratch(context, context.on(one), matrices);
  return std::max(scratch.shared, scratch.own * context.pool.size());
}

void muon_step(const MuonThreads& threads, const Muon& options,
               std::span<const MuonMatrix> matrices, double learning_rate, float gradient_scale,
               const float* gradients, float* weights, float* momentum, float* scratch) {
  const ops::ProfileScope scope(threads.all().profile, "muon");
  const int64_t own = Scratch(threads.all(), threads.alone(0), matrices).own;
  const Step step{options, learning_rate, gradient_scale, gradients, weights, momentum};
  threads.all().pool.parallel_for(std::ssize(matrices), [&](int64_t task, int worker) {
    const MuonMatrix& matrix = matrices[static_cast<size_t>(task)];
    if (is_of_one_thread(matrix)) step(threads.alone(worker), matrix, scratch + worker * own);
  });
  for (const MuonMatrix& matrix : matrices)
    if (!is_of_one_thread(matrix)) step(threads.all(), matrix, scratch);
}

}  // namespace cllm::optim
