#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace cllm::optim {
namespace {

constexpr int64_t kUpdateChunk = 16384;  // elements of the arena per task

}  // namespace

ElementwiseUpdate::ElementwiseUpdate(const kernels::Table& kernels, const AdamW& options,
                                     std::span<const ParameterSpan> spans, int64_t step,
                                     double learning_rate, float gradient_scale)
    : kernels_(kernels),
      spans_(spans),
      is_adamw_(true),
      learning_rate_(learning_rate),
      weight_decay_(options.weight_decay) {
  CHECK_MSG(step >= 1, "step={}", step);
  first_correction_ = 1 - std::pow(options.beta1, static_cast<double>(step));
  const double second_correction = 1 - std::pow(options.beta2, static_cast<double>(step));
  adamw_.gradient_scale = gradient_scale;
  adamw_.first_rate = static_cast<float>(1 - options.beta1);
  adamw_.second_rate = static_cast<float>(1 - options.beta2);
  adamw_.root_correction = static_cast<float>(1 / std::sqrt(second_correction));
  adamw_.epsilon = static_cast<float>(options.epsilon);
}

ElementwiseUpdate::ElementwiseUpdate(const kernels::Table& kernels, const Sgd& options,
                                     std::span<const ParameterSpan> spans, double learning_rate,
                                     float gradient_scale)
    : kernels_(kernels),
      spans_(spans),
      is_adamw_(false),
      learning_rate_(learning_rate),
      weight_decay_(options.weight_decay) {
  sgd_.gradient_scale = gradient_scale;
  sgd_.momentum = static_cast<float>(options.momentum);
}

void ElementwiseUpdate::apply_adamw(const ParameterSpan& span, int64_t begin, int64_t count,
                                    const UpdateArenas& arenas) const {
  const double rate = learning_rate_ * span.rate;
  kernels::AdamWUpdate update = adamw_;
  update.step_size = static_cast<float>(rate / first_correction_);
  if (span.decays) update.decay = static_cast<float>(rate * weight_decay_);
  kernels_.update.adamw(&update, count, arenas.gradients + begin, arenas.weights + begin,
                        arenas.first_moment + begin,
                        arenas.second_moment + (begin - span.second_shift));
}

void ElementwiseUpdate::apply_sgd(const ParameterSpan& span, int64_t begin, int64_t count,
                                  const UpdateArenas& arenas) const {
  const double rate = learning_rate_ * span.rate;
  kernels::SgdUpdate update = sgd_;
  update.learning_rate = static_cast<float>(rate);
  if (span.decays) update.decay = static_cast<float>(rate * weight_decay_);
  kernels_.update.sgd(&update, count, arenas.gradients + begin, arenas.weights + begin,
                      arenas.first_moment + begin);
}

void ElementwiseUpdate::apply(int64_t begin, int64_t end, const UpdateArenas& arenas) const {
  auto span = std::partition_point(spans_.begin(), spans_.end(), [&](const ParameterSpan& s) {
    return s.begin + s.count <= begin;
  });
  for (; span != spans_.end() && span->begin < end; ++span) {
    const int64_t from = std::max(begin, span->begin);
    const int64_t count = std::min(end, span->begin + span->count) - from;
    is_adamw_ ? apply_adamw(*span, from, count, arenas) : apply_sgd(*span, from, count, arenas);
  }
}

void ElementwiseUpdate::apply_to_all(const ops::Context& context,
                                     const UpdateArenas& arenas) const {
  const ops::ProfileScope scope(context.profile, "optimizer");
  if (spans_.empty()) return;
  const int64_t first = spans_.front().begin;
  const int64_t last = spans_.back().begin + spans_.back().count;
  context.pool.parallel_for((last - first + kUpdateChunk - 1) / kUpdateChunk,
                            [&](int64_t task, int) {
                              const int64_t begin = first + task * kUpdateChunk;
                              apply(begin, std::min(last, begin + kUpdateChunk), arenas);
                            });
}

void adamw_step(const ops::Context& context, const AdamW& options,
                std::span<const ParameterSpan> spans, int64_t step, double learning_rate,
                float gradient_scale, const float* gradients, float* weights, float* first_moment,
                float* second_moment) {
  ElementwiseUpdate(context.kernels, options, spans, step, learning_rate, gradient_scale)
      .apply_to_all(context, {gradients, weights, first_moment, second_moment});
}

int64_t norm_partials(int64_t count) {
  return (count + kNormChunk - 1) / kNormChunk;
}

double norm_partial(const kernels::Table& kernels, int64_t count, const float* gradients) {
  CHECK_MSG(count <= kNormChunk, "count={}", count);
  return kernels.update.sum_of_squares(count, gradients);
}

double norm_of_partials(std::span<const double> partial) {
  double sum = 0;
  for (const double squares : partial)
    sum += squares;
  return std::sqrt(sum);
}

double gradient_norm(const ops::Context& context, int64_t count, const float* gradients,
                     double* partial) {
  const ops::ProfileScope scope(context.profile, "gradient norm");
  const int64_t chunks = norm_partials(count);
  context.pool.parallel_for(chunks, [&](int64_t chunk, int) {
    const int64_t begin = chunk * kNormChunk;
    partial[chunk] =
        norm_partial(context.kernels, std::min(kNormChunk, count - begin), gradients + begin);
  });
  return norm_of_partials({partial, static_cast<size_t>(chunks)});
}

float clip_scale(double norm, double max_norm) {
  if (max_norm <= 0 || !(norm > max_norm)) return 1.0f;
  return static_cast<float>(max_norm / norm);
}

}  // namespace cllm::optim
