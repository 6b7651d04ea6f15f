#include "train/gradient_source.h"

#include "base/check.h"
#include "train/batch_parallel.h"
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

}  // namespace

std::unique_ptr<GradientSource> make_gradient_source(const Transformer& model,
                                                     const ops::Context& context,
                                                     const RunSettings& settings) {
  const nn::PlanShape shape = training_shape(model, settings);
  if (by_shards(settings))
    return std::make_unique<BatchParallel>(model, context, shape, settings.parallel.shards);
  return std::make_unique<OperationParallel>(model, context, shape);
}

GradientSourcePlan plan_gradient_source(const Transformer& model, const ops::Context& context,
                                        const RunSettings& settings) {
  const nn::PlanShape shape = training_shape(model, settings);
  if (by_shards(settings))
    return BatchParallel::plan(model, context, shape, settings.parallel.shards);
  return {.activations = Session::planned_bytes(model, context, shape), .gradients = 0};
}

}  // namespace cllm
