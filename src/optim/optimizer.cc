#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace cllm::optim {
namespace {

constexpr int64_t kUpdateChunk = 16384;  // elements of the arena per task

// Calls body(begin, count, span) for every piece of a span inside every chunk of the arena, one
// task per chunk. Elementwise, so the cuts do not show in the result.
template <class Body>
void for_each_piece(ThreadPool& pool, std::span<const ParameterSpan> spans, Body body) {
  if (spans.empty()) return;
  const int64_t first = spans.front().begin;
  const int64_t last = spans.back().begin + spans.back().count;
  pool.parallel_for((last - first + kUpdateChunk - 1) / kUpdateChunk, [&](int64_t task, int) {
    const int64_t begin = first + task * kUpdateChunk, end = std::min(last, begin + kUpdateChunk);
    auto span = std::partition_point(spans.begin(), spans.end(), [&](const ParameterSpan& s) {
      return s.begin + s.count <= begin;
    });
    for (; span != spans.end() && span->begin < end; ++span) {
      const int64_t from = std::max(begin, span->begin);
      const int64_t to = std::min(end, span->begin + span->count);
      body(from, to - from, *span);
    }
  });
}

}  // namespace

void adamw_step(const ops::Context& context, const AdamW& options,
                std::span<const ParameterSpan> spans, int64_t step, double learning_rate,
                float gradient_scale, const float* gradients, float* weights, float* first_moment,
                float* second_moment) {
  const ops::ProfileScope scope(context.profile, "optimizer");
  CHECK_MSG(step >= 1, "step={}", step);
  const double first_correction = 1 - std::pow(options.beta1, static_cast<double>(step));
  const double second_correction = 1 - std::pow(options.beta2, static_cast<double>(step));
  kernels::AdamWUpdate common = {};
  common.gradient_scale = gradient_scale;
  common.first_rate = static_cast<float>(1 - options.beta1);
  common.second_rate = static_cast<float>(1 - options.beta2);
  common.root_correction = static_cast<float>(1 / std::sqrt(second_correction));
  common.epsilon = static_cast<float>(options.epsilon);
  for_each_piece(context.pool, spans, [&](int64_t begin, int64_t count, const ParameterSpan& span) {
    const double rate = learning_rate * span.rate;
    kernels::AdamWUpdate update = common;
    update.step_size = static_cast<float>(rate / first_correction);
    if (span.decays) update.decay = static_cast<float>(rate * options.weight_decay);
    context.kernels.update.adamw(&update, count, gradients + begin, weights + begin,
                                 first_moment + begin, second_moment + (begin - span.second_shift));
  });
}

void sgd_step(const ops::Context& context, const Sgd& options, std::span<const ParameterSpan> spans,
              double learning_rate, float gradient_scale, const float* gradients, float* weights,
              float* velocity) {
  const ops::ProfileScope scope(context.profile, "optimizer");
  kernels::SgdUpdate common = {};
  common.gradient_scale = gradient_scale;
  common.momentum = static_cast<float>(options.momentum);
  for_each_piece(context.pool, spans, [&](int64_t begin, int64_t count, const ParameterSpan& span) {
    const double rate = learning_rate * span.rate;
    kernels::SgdUpdate update = common;
    update.learning_rate = static_cast<float>(rate);
    if (span.decays) update.decay = static_cast<float>(rate * options.weight_decay);
    context.kernels.update.sgd(&update, count, gradients + begin, weights + begin,
                               velocity + begin);
  });
}

int64_t norm_partials(int64_t count) {
  return (count + kNormChunk - 1) / kNormChunk;
}

double gradient_norm(const ops::Context& context, int64_t count, const float* gradients,
                     double* partial) {
  const ops::ProfileScope scope(context.profile, "gradient norm");
  const int64_t chunks = norm_partials(count);
  context.pool.parallel_for(chunks, [&](int64_t chunk, int) {
    const int64_t begin = chunk * kNormChunk;
    partial[chunk] = context.kernels.update.sum_of_squares(std::min(kNormChunk, count - begin),
                                                           gradients + begin);
  });
  double sum = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    sum += partial[chunk];
  return std::sqrt(sum);
}

float clip_scale(double norm, double max_norm) {
  if (max_norm <= 0 || !(norm > max_norm)) return 1.0f;
  return static_cast<float>(max_norm / norm);
}

}  // namespace cllm::optim
