#include "train/gradient_source.h"

#include <algorithm>

#include "base/check.h"
#include "train/batch_parallel.h"
#include "train/exact_parallel.h"
#include "train/operation_parallel.h"

namespace cllm {
namespace {

nn::PlanShape training_shape(const Transformer& model, const RunSettings& settings) {
  const int64_t T = model.config().context_length;
  return {.B = settings.train.batch_size,
          .T = T,
          .S = T,
          .training = true,
          .storage = settings.precision.storage(),
          .recompute = settings.train.recompute};
}

bool by_shards(const RunSettings& settings) {
  CHECK(settings.parallel.mode != ParallelSettings::Mode::kAuto);
  return settings.parallel.mode == ParallelSettings::Mode::kBatch;
}

ExactParallel::Options exact_options(const RunSettings& settings) {
  CHECK(by_shards(settings));
  const bool all = settings.parallel.reduction == ParallelSettings::Reduction::kSuper;
  return {
      .grains = std::min(settings.parallel.shards,
                         settings.train.batch_size * settings.train.gradient_accumulation_steps),
      .digits = all ? optim::ExactSum::kAllDigits : optim::ExactSum::kTwoDigits};
}

}  // namespace

std::unique_ptr<GradientSource> make_gradient_source(const Transformer& model,
                                                     const ops::Context& context,
                                                     const RunSettings& settings) {
  const nn::PlanShape shape = training_shape(model, settings);
  if (settings.parallel.exact())
    return std::make_unique<ExactParallel>(model, context, shape, exact_options(settings));
  if (by_shards(settings))
    return std::make_unique<BatchParallel>(model, context, shape, settings.parallel.shards);
  return std::make_unique<OperationParallel>(model, context, shape);
}

GradientSourcePlan plan_gradient_source(const Transformer& model, const ops::Context& context,
                                        const RunSettings& settings) {
  const nn::PlanShape shape = training_shape(model, settings);
  if (settings.parallel.exact())
    return ExactParallel::plan(model, context, shape, exact_options(settings));
  if (by_shards(settings))
    return BatchParallel::plan(model, context, shape, settings.parallel.shards);
  return {.activations = Session::planned_bytes(model, context, shape), .gradients = 0};
}

}  // namespace cllm
