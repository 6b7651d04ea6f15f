// A step cut into its sequences. The gradient of a sequence is computed by one thread with work of
// one shape, so it has the same bits whatever batch the sequence came in, and the gradients of a
// step are added exactly (optim/exact_sum.h). So a step depends on its sequences and their order
// only: not on how they were split into batches and micro-batches, nor on threads or on how many
// sequences are computed at a time. The price: products of one sequence, a sum over all weights for
// every sequence, and the memory of the sums.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "optim/exact_sum.h"
#include "tensor/arena.h"
#include "threads/pool.h"
#include "train/gradient_source.h"

namespace cllm {

class ExactParallel : public GradientSource {
 public:
  struct Options {
    int64_t grains = 1;  // sequences that are computed at a time, each with gradients of its own
    int digits = optim::ExactSum::kTwoDigits;
  };

  // A fixed number, so that which windows an evaluation takes does not depend on the batch either.
  static constexpr int64_t kEvaluationBatch = 16;

  static GradientSourcePlan plan(const Transformer& model, const ops::Context& context,
                                 const nn::PlanShape& shape, const Options& options);

  // Error (kMemory).
  ExactParallel(const Transformer& model, const ops::Context& context, const nn::PlanShape& shape,
                const Options& options);

  const nn::PlanShape& shape() const override { return shape_; }
  int64_t evaluation_batch() const override { return kEvaluationBatch; }
  // Sequence b of a micro-batch has the masks of micro-step micro_step + b: those of its number in
  // the run.
  int64_t forward_passes() const override { return shape_.B; }
  int64_t activation_bytes() const override;
  int64_t gradient_bytes() const override;

  // The sum is rounded once. Losses are added in the order of the sequences.
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
  // Computes one sequence at a time.
  struct Grain {
    Grain(const Transformer& model, const ops::Context& outer, const nn::PlanShape& shape,
          PackedWeights& packed)
        : context(outer.on(pool)),
          session(model, context, shape, &packed),
          tokens(static_cast<size_t>(shape.T)),
          targets(static_cast<size_t>(shape.T)) {}
    // Keeps the sequence: a micro-batch is gone when the next one comes.
    void keep(const MicroBatch& sequence);
    MicroBatch kept() const {
      return {{tokens.data(), targets.data(), 1, std::ssize(tokens)}, dropout};
    }

    ThreadPool pool{1};
    ops::Context context;
    Session session;
    std::vector<int32_t> tokens, targets;
    DropoutSeed dropout;
    Arena gradients;  // none for the first grain: it has the caller's
    double loss = 0;
  };

  // Calls body(grain, index) for the first `count` grains, each in one thread, and adds their
  // losses to the sum one by one.
  template <class Body>
  void for_each_grain(int64_t count, double& sum, Body body);
  // The gradients of the sequences that the first `count` grains keep.
  void add_sequences(int64_t count, const float* weights, float gradient_scale, double& loss);

  const ops::Context& context_;
  nn::PlanShape shape_;
  PackedWeights packed_;
  std::vector<std::unique_ptr<Grain>> grains_;
  std::vector<float*> parts_;  // where the grains' gradients lie
  optim::ExactSum sum_;
};

}  // namespace cllm
