// Losses and gradients of whole batches with all threads, in one of three ways: the threads share
// every operation (train/operation_parallel.h), or each takes a part of the batch
// (train/batch_parallel.h), or a sequence at a time, whose gradients are added exactly
// (train/exact_parallel.h). All give the same bits for any number of threads; between them, sums
// differ by rounding.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "model/session.h"
#include "train/settings.h"

namespace cllm {

struct MicroBatch {
  Batch batch;
  DropoutSeed dropout;
};

// Not thread-safe. After the first call of each kind nothing is allocated.
class GradientSource {
 public:
  // The next micro-batch, valid until the next call.
  using NextBatch = std::function<MicroBatch()>;

  GradientSource() = default;
  GradientSource(const GradientSource&) = delete;
  GradientSource& operator=(const GradientSource&) = delete;
  virtual ~GradientSource() = default;

  // Of the micro-batches that it takes.
  virtual const nn::PlanShape& shape() const = 0;
  // Sequences of the batches that evaluate() takes.
  virtual int64_t evaluation_batch() const { return shape().B; }
  // By how much the dropout counter, MicroBatch::dropout.micro_step, grows from one micro-batch to
  // the next.
  virtual int64_t forward_passes() const { return 1; }
  // Activations and packed weights.
  virtual int64_t activation_bytes() const = 0;
  // Gradients besides those that callers give.
  virtual int64_t gradient_bytes() const = 0;

  // gradients = gradient_scale * d sum of the losses of `count` micro-batches / d weights, added in
  // an order that the shape fixes. Returns the sum (nats of the counted targets). For training.
  virtual double accumulate(int64_t count, const NextBatch& next, const float* weights,
                            float gradient_scale, float* gradients) = 0;
  // As Session's: of one micro-batch, without an arena of gradients. Only if
  // RunSettings::updates_in_backward().
  virtual double stream(const MicroBatch& micro, const float* weights, float gradient_scale,
                        const GradientStream& stream) = 0;

  // See HeldWeights, for evaluate().
  virtual void hold_weights(const float* weights) = 0;
  virtual void release_weights() = 0;
  // The sum of the losses without dropout; the weights must be held.
  virtual double evaluate(const Batch& batch, const float* weights) = 0;

  // As Session's: overwrites gradients, which may be null.
  virtual std::string first_nonfinite(const MicroBatch& micro, const float* weights,
                                      float* gradients) = 0;
};

// The way that settings.parallel names, which is not kAuto. model and context must outlive it.
// Error (kMemory).
std::unique_ptr<GradientSource> make_gradient_source(const Transformer& model,
                                                     const ops::Context& context,
                                                     const RunSettings& settings);

// What activation_bytes and gradient_bytes of that source will be, from shapes alone.
struct GradientSourcePlan {
  int64_t activations = 0, gradients = 0;
};
GradientSourcePlan plan_gradient_source(const Transformer& model, const ops::Context& context,
                                        const RunSettings& settings);

}  // namespace cllm
