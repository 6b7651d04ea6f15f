#include "train/batch_parallel.h"

#include <algorithm>

#include "base/check.h"
#include "optim/gradient_sum.h"

namespace cllm {
namespace {

// Where each of `shards` shards of B sequences begins, and B.
std::vector<int64_t> cut(int64_t B, int64_t shards) {
  const int64_t count = std::min(B, shards);
  std::vector<int64_t> borders;
  for (int64_t i = 0; i <= count; ++i)
    borders.push_back(B * i / count);
  return borders;
}

nn::PlanShape shape_of(nn::PlanShape shape, int64_t first, int64_t end) {
  shape.B = end - first;
  return shape;
}

}  // namespace

GradientSourcePlan BatchParallel::plan(const Transformer& model, const ops::Context& context,
                                       const nn::PlanShape& shape, int64_t shards) {
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  ThreadPool serial(1);
  const ops::Context inner = context.on(serial);
  GradientSourcePlan plan{
      .activations = PackedWeights::planned_bytes(model, context, shape.storage), .gradients = 0};
  const std::vector<int64_t> borders = cut(shape.B, shards);
  for (size_t i = 0; i + 1 < borders.size(); ++i) {
    const nn::PlanShape part = shape_of(shape, borders[i], borders[i + 1]);
    plan.activations += kFloat * Session::plan_only(model, inner, part).arena_floats();
    if (i > 0) plan.gradients += kFloat * model.parameters().arena_floats();
  }
  return plan;
}

BatchParallel::BatchParallel(const Transformer& model, const ops::Context& context,
                             const nn::PlanShape& shape, int64_t shards)
    : context_(context),
      floats_(model.parameters().arena_floats()),
      shape_(shape),
      packed_(model, context, shape.storage) {
  CHECK(shape.training);
  const std::vector<int64_t> borders = cut(shape.B, shards);
  for (size_t i = 0; i + 1 < borders.size(); ++i) {
    const nn::PlanShape part = shape_of(shape, borders[i], borders[i + 1]);
    shards_.push_back(std::make_unique<Shard>(model, context, part, borders[i], packed_));
    if (i > 0) shards_.back()->gradients = Arena(floats_, "the gradients of a shard");
    parts_.push_back(shards_.back()->gradients.data());
  }
}

int64_t BatchParallel::activation_bytes() const {
  int64_t bytes = packed_.bytes();
  for (const auto& shard : shards_)
    bytes += shard->session.bytes();
  return bytes;
}

int64_t BatchParallel::gradient_bytes() const {
  int64_t bytes = 0;
  for (const auto& shard : shards_)
    bytes += shard->gradients.bytes();
  return bytes;
}

MicroBatch BatchParallel::part(const MicroBatch& micro, size_t shard) const {
  const Batch& whole = micro.batch;
  CHECK_MSG(whole.B == shape_.B, "B={}, planned {}", whole.B, shape_.B);
  const int64_t first = shards_[shard]->first * whole.T;
  return {{whole.tokens + first, whole.targets + first, shards_[shard]->session.shape().B, whole.T},
          {micro.dropout.seed, micro.dropout.micro_step * shards_.size() + shard}};
}

template <class Body>
double BatchParallel::for_each_shard(Body body) {
  const ops::ProfileScope scope(context_.profile, "shards");
  context_.pool.parallel_for(std::ssize(shards_), [&](int64_t task, int) {
    const auto index = static_cast<size_t>(task);
    shards_[index]->loss = body(*shards_[index], index);
  });
  double sum = 0;
  for (const auto& shard : shards_)
    sum += shard->loss;
  return sum;
}

double BatchParallel::accumulate(int64_t count, const NextBatch& next, const float* weights,
                                 float gradient_scale, float* gradients) {
  const HeldWeights held(packed_, weights);
  parts_[0] = gradients;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const MicroBatch micro = next();
    sum += for_each_shard([&](Shard& shard, size_t index) {
      if (i == 0) shard.session.clear_gradients(parts_[index]);
      const MicroBatch mine = part(micro, index);
      return shard.session.forward_backward(mine.batch, weights, gradient_scale, mine.dropout,
                                            parts_[index]);
    });
  }
  optim::sum_in_tree(context_, floats_, parts_);
  return sum;
}

double BatchParallel::stream(const MicroBatch&, const float*, float, const GradientStream&) {
  CHECK_MSG(shards_.empty(), "{} shards, none of which has the whole gradient", shards_.size());
  return 0;
}

double BatchParallel::evaluate(const Batch& batch, const float* weights) {
  return for_each_shard([&](Shard& shard, size_t index) {
    return shard.session.evaluate(part({batch, {}}, index).batch, weights);
  });
}

std::string BatchParallel::first_nonfinite(const MicroBatch& micro, const float* weights,
                                           float* gradients) {
  const HeldWeights held(packed_, weights);
  std::string bad;
  for (size_t i = 0; bad.empty() && i < shards_.size(); ++i) {
    const MicroBatch mine = part(micro, i);
    bad = shards_[i]->session.first_nonfinite(mine.batch, weights, mine.dropout, gradients);
  }
  return bad;
}

}  // namespace cllm
