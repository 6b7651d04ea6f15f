#include "train/exact_parallel.h"

#include <algorithm>

#include "base/check.h"

namespace cllm {
namespace {

nn::PlanShape of_one_sequence(nn::PlanShape shape) {
  shape.B = 1;
  return shape;
}

MicroBatch sequence_of(const MicroBatch& micro, int64_t b) {
  const Batch& whole = micro.batch;
  return {{whole.tokens + b * whole.T, whole.targets + b * whole.T, 1, whole.T},
          {micro.dropout.seed, micro.dropout.micro_step + static_cast<uint64_t>(b)}};
}

}  // namespace

GradientSourcePlan ExactParallel::plan(const Transformer& model, const ops::Context& context,
                                       const nn::PlanShape& shape, const Options& options) {
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  ThreadPool serial(1);
  const ops::Context inner = context.on(serial);
  const int64_t floats = model.parameters().arena_floats();
  const int64_t session =
      Session::plan_only(model, inner, of_one_sequence(shape)).arena_floats() * kFloat;
  return {.activations = PackedWeights::planned_bytes(model, context, shape.storage) +
                         options.grains * session,
          .gradients = (options.grains - 1) * floats * kFloat +
                       optim::ExactSum::planned_bytes(floats, options.digits)};
}

ExactParallel::ExactParallel(const Transformer& model, const ops::Context& context,
                             const nn::PlanShape& shape, const Options& options)
    : context_(context),
      shape_(shape),
      packed_(model, context, shape.storage),
      sum_(model.parameters().arena_floats(), options.digits) {
  CHECK(shape.training && options.grains >= 1);
  for (int64_t i = 0; i < options.grains; ++i) {
    grains_.push_back(std::make_unique<Grain>(model, context, of_one_sequence(shape), packed_));
    if (i > 0)
      grains_.back()->gradients =
          Arena(model.parameters().arena_floats(), "the gradients of a sequence");
    parts_.push_back(grains_.back()->gradients.data());
  }
}

int64_t ExactParallel::activation_bytes() const {
  int64_t bytes = packed_.bytes();
  for (const auto& grain : grains_)
    bytes += grain->session.bytes();
  return bytes;
}

int64_t ExactParallel::gradient_bytes() const {
  int64_t bytes = sum_.bytes();
  for (const auto& grain : grains_)
    bytes += grain->gradients.bytes();
  return bytes;
}

void ExactParallel::Grain::keep(const MicroBatch& sequence) {
  std::copy_n(sequence.batch.tokens, tokens.size(), tokens.data());
  std::copy_n(sequence.batch.targets, targets.size(), targets.data());
  dropout = sequence.dropout;
}

template <class Body>
void ExactParallel::for_each_grain(int64_t count, double& sum, Body body) {
  const ops::ProfileScope scope(context_.profile, "sequences");
  context_.pool.parallel_for(count, [&](int64_t task, int) {
    Grain& grain = *grains_[static_cast<size_t>(task)];
    grain.loss = body(grain, task);
  });
  for (int64_t i = 0; i < count; ++i)
    sum += grains_[static_cast<size_t>(i)]->loss;
}

void ExactParallel::add_sequences(int64_t count, const float* weights, float gradient_scale,
                                  double& loss) {
  for_each_grain(count, loss, [&](Grain& grain, int64_t index) {
    float* gradients = parts_[static_cast<size_t>(index)];
    grain.session.clear_gradients(gradients);
    const MicroBatch mine = grain.kept();
    return grain.session.forward_backward(mine.batch, weights, gradient_scale, mine.dropout,
                                          gradients);
  });
  sum_.add(context_, {parts_.data(), static_cast<size_t>(count)});
}

double ExactParallel::accumulate(int64_t count, const NextBatch& next, const float* weights,
                                 float gradient_scale, float* gradients) {
  const HeldWeights held(packed_, weights);
  parts_[0] = gradients;
  sum_.clear();
  double loss = 0;
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i) {
    const MicroBatch micro = next();
    CHECK_MSG(micro.batch.B == shape_.B && micro.batch.T == shape_.T, "B={} T={}, planned {} {}",
              micro.batch.B, micro.batch.T, shape_.B, shape_.T);
    for (int64_t b = 0; b < micro.batch.B; ++b) {
      grains_[static_cast<size_t>(kept++)]->keep(sequence_of(micro, b));
      if (kept < std::ssize(grains_)) continue;
      add_sequences(kept, weights, gradient_scale, loss);
      kept = 0;
    }
  }
  if (kept > 0) add_sequences(kept, weights, gradient_scale, loss);
  sum_.round_to(context_, gradients);
  return loss;
}

double ExactParallel::stream(const MicroBatch&, const float*, float, const GradientStream&) {
  CHECK_MSG(grains_.empty(), "{} grains, none of which has the whole gradient", grains_.size());
  return 0;
}

double ExactParallel::evaluate(const Batch& batch, const float* weights) {
  double loss = 0;
  for (int64_t first = 0; first < batch.B; first += std::ssize(grains_))
    for_each_grain(std::min(std::ssize(grains_), batch.B - first), loss,
                   [&](Grain& grain, int64_t index) {
                     const MicroBatch mine = sequence_of({batch, {}}, first + index);
                     return grain.session.evaluate(mine.batch, weights);
                   });
  return loss;
}

std::string ExactParallel::first_nonfinite(const MicroBatch& micro, const float* weights,
                                           float* gradients) {
  const HeldWeights held(packed_, weights);
  std::string bad;
  for (int64_t b = 0; bad.empty() && b < micro.batch.B; ++b) {
    const MicroBatch mine = sequence_of(micro, b);
    bad = grains_.front()->session.first_nonfinite(mine.batch, weights, mine.dropout, gradients);
  }
  return bad;
}

}  // namespace cllm
