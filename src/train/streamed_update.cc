#include "train/streamed_update.h"

#include <algorithm>
#include <cmath>

#include "ops/profile.h"

namespace cllm {

StreamedUpdate::StreamedUpdate(const ops::Context& context, const GradientWindow& window,
                               WeightUpdater& updater, float* gradients, float* weights)
    : context_(context),
      window_(window),
      updater_(updater),
      gradients_(gradients),
      weights_(weights) {
  int64_t largest = 0;
  for (const ParameterRange& range : window.ranges())
    largest = std::max(largest, range.count());
  partials_.resize(static_cast<size_t>(optim::norm_partials(largest)));
}

void StreamedUpdate::begin(const UpdateStep& step) {
  context_.pool.finish_posted();
  step_ = step;
  norm_ = 0;
  range_ = {};
}

// Completes the update under way.
bool StreamedUpdate::settle() {
  const ops::ProfileScope scope(context_.profile, "optimizer");
  context_.pool.finish_posted();
  const auto chunks = static_cast<size_t>(optim::norm_partials(range_.count()));
  norm_ = std::hypot(norm_, optim::norm_of_partials({partials_.data(), chunks}));
  return std::isfinite(norm_);
}

bool StreamedUpdate::take(ParameterRange range) {
  if (!settle()) return false;
  range_ = range;
  arenas_ = updater_.arenas(window_.base(range, gradients_), weights_);
  if (updater_.is_elementwise()) {
    update_.emplace(updater_.elementwise(step_, range));
  } else if (!update_at_once()) {
    return false;
  }
  const ops::ProfileScope scope(context_.profile, "optimizer");
  context_.pool.post(optim::norm_partials(range.count()), chunks_);
  return true;
}

bool StreamedUpdate::finish() {
  const bool finite = settle();
  if (finite) range_ = {};
  return finite;
}

// Without update_, of a range that was updated at once, only clears.
void StreamedUpdate::update_chunk(int64_t chunk) {
  const int64_t first = chunk * optim::kNormChunk;
  const int64_t count = std::min(optim::kNormChunk, range_.count() - first);
  float* gradients = window_.at(range_, gradients_) + first;
  if (update_) {
    double& partial = partials_[static_cast<size_t>(chunk)];
    partial = optim::norm_partial(context_.kernels, count, gradients);
    if (!std::isfinite(partial)) return;
    update_->apply(range_.begin + first, range_.begin + first + count, arenas_);
  }
  std::fill_n(gradients, count, 0.0f);
}

// settle() adds the partial sums to the norm.
bool StreamedUpdate::update_at_once() {
  const double norm = optim::gradient_norm(context_, range_.count(), window_.at(range_, gradients_),
                                           partials_.data());
  if (!std::isfinite(norm)) return false;
  updater_.apply(step_, range_, arenas_.gradients, weights_);
  return true;
}

}  // namespace cllm
