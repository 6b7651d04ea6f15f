// A batch cut into shards of whole sequences. Each is computed by one thread, with activations and
// gradients of its own; the gradients are summed in a fixed tree once per accumulation. How a batch
// is cut depends on its size and the number of shards only, so results have the same bits for any
// number of threads. Threads meet three times in a step (weights, shards, sum) instead of in every
// operation; the price is an arena of gradients for every shard but the first.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensor/arena.h"
#include "threads/pool.h"
#include "train/gradient_source.h"

namespace cllm {

class BatchParallel : public GradientSource {
 public:
  static GradientSourcePlan plan(const Transformer& model, const ops::Context& context,
                                 const nn::PlanShape& shape, int64_t shards);

  // As many shards as there are sequences, if there are fewer than `shards`. The first ones are
  // shorter by one sequence if it does not divide. Error (kMemory).
  BatchParallel(const Transformer& model, const ops::Context& context, const nn::PlanShape& shape,
                int64_t shards);

  const nn::PlanShape& shape() const override { return shape_; }
  int64_t activation_bytes() const override;
  int64_t gradient_bytes() const override;

  // Dropout: shard s of micro-step m has the masks of micro-step m * shards + s.
  double accumulate(int64_t count, const NextBatch& next, const float* weights,
                    float gradient_scale, float* gradients) override;
  double stream(const MicroBatch& micro, const float* weights, float gradient_scale,
                const GradientStream& stream) override;
  void hold_weights(const float* weights) override { packed_.hold_weights(weights); }
  void release_weights() override { packed_.release_weights(); }
  double evaluate(const Batch& batch, const float* weights) override;
  std::string first_nonfinite(const MicroBatch& micro, const float* weights,
                              float* gradients) override;

 private:
  struct Shard {
    Shard(const Transformer& model, const ops::Context& outer, const nn::PlanShape& shape,
          int64_t first_sequence, PackedWeights& packed)
        : context(outer.on(pool)), session(model, context, shape, &packed), first(first_sequence) {}

    ThreadPool pool{1};
    ops::Context context;
    Session session;
    int64_t first;    // sequence of the batch
    Arena gradients;  // none for the first shard: its gradients are the caller's
    double loss = 0;
  };

  // The part of a micro-batch that is the shard's.
  MicroBatch part(const MicroBatch& micro, size_t shard) const;
  // Calls body(shard, index) for every shard, each in one thread. Returns the sum of the losses.
  template <class Body>
  double for_each_shard(Body body);

  const ops::Context& context_;
  int64_t floats_;  // of an arena of gradients
  nn::PlanShape shape_;
  PackedWeights packed_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<float*> parts_;  // where the shards' gradients lie
};

}  // namespace cllm
