// One planned execution of a Transformer for a fixed number of sequences and tokens: training
// (forward, backward), evaluation, or generation with a key/value cache. Owns the activation arena;
// weights, gradients and cache are the caller's. All memory is taken in the constructor; no call
// allocates afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/decode_weights.h"
#include "model/gradient_window.h"
#include "model/packed_weights.h"
#include "model/transformer.h"
#include "nn/run.h"
#include "tensor/arena.h"

namespace cllm {

// A batch of B sequences of T tokens in [0, V), row-major [B, T]. targets[n] is the token after
// tokens[n], -1 = not counted.
struct Batch {
  const int32_t* tokens = nullptr;
  const int32_t* targets = nullptr;
  int64_t B = 0, T = 0;
};

struct DropoutSeed {
  uint64_t seed = 0;
  uint64_t micro_step = 0;
};

// Gradients that are taken range by range as the backward pass completes them.
struct GradientStream {
  const GradientWindow& window;
  // window.floats() elements, all zero before.
  float* memory = nullptr;
  // Called when the gradients of a range lie complete in the window: for the blocks from the last
  // to the first, then for window.back() and window.front(). Whoever takes them makes them zero
  // again, of a block before the call for the next one returns, since the one after that takes its
  // place. An exception from it ends the pass: what it did to the ranges before stays.
  std::function<void(ParameterRange)> finished;
};

// Not thread-safe; one at a time per Session. `model` and `context` must outlive it.
class Session {
 public:
  // The plan without the memory behind it; arena_floats() tells what a Session of this shape needs
  // besides packed weights.
  static Planner plan_only(const Transformer& model, const ops::Context& context,
                           const nn::PlanShape& shape);

  // Bytes that a Session with packed weights of its own takes.
  static int64_t planned_bytes(const Transformer& model, const ops::Context& context,
                               const nn::PlanShape& shape);

  // shape.S at most the model's context if its positions are learned. A model whose configuration
  // has a prior must have it. A session for training packs its weights itself, or multiplies with
  // those that `shared` holds, of the same storage and kernels. Error (kMemory) if the arena cannot
  // be had.
  Session(const Transformer& model, const ops::Context& context, const nn::PlanShape& shape,
          PackedWeights* shared = nullptr);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const nn::PlanShape& shape() const { return shape_; }
  const Planner& plan() const { return planner_; }
  const ops::Context& context() const { return context_; }
  // Of its own.
  int64_t bytes() const { return arena_.bytes() + (own_packed_ ? own_packed_->bytes() : 0); }

  // A session for training multiplies with packed copies of the matrices. Every call packs the
  // weights that it gets, unless they are held (see HeldWeights): then they were packed when that
  // began. Those of shared packed weights must be held. Other sessions read weights in place.
  void hold_weights(const float* weights);
  void release_weights();

  // gradients = 0, the whole arena.
  void clear_gradients(float* gradients) const;
  // Returns the sum of the losses (nats) of the counted targets; gradients += gradient_scale * d
  // sum / d weights. The plan must be for training. batch.B, batch.T at most what was planned.
  double forward_backward(const Batch& batch, const float* weights, float gradient_scale,
                          DropoutSeed dropout, float* gradients);
  // The same without an arena of gradients; each range may be updated in weights as it is finished.
  // A sum that is not finite is returned before any range is finished: no weight has changed then.
  double forward_backward(const Batch& batch, const float* weights, float gradient_scale,
                          DropoutSeed dropout, const GradientStream& stream);
  // The sum of the losses without dropout and without gradients, with the full counts of a prior,
  // which forward_backward leaves the target's own occurrence out of. observer: sees the inputs of
  // every linear layer.
  double evaluate(const Batch& batch, const float* weights,
                  const nn::InputObserver* observer = nullptr);
  // Of the rows of the last batch, nats; 0 where a target was not counted. Valid until the next
  // call.
  std::span<const float> losses() const {
    return {arena_.data() + planner_.offset(slots_.losses), static_cast<size_t>(shape_.rows())};
  }
  // Logits [T, V] of every row, softcap applied, then the prior added, into `logits`; no dropout.
  // fp32 sessions.
  void logits(std::span<const int32_t> tokens, const float* weights, float* logits);
  // Appends tokens [B, T] to the caches of B sequences (at most ops::kDecodeRows; one, if T > 1)
  // and returns their logits() [B, V] after the last token of each, valid until the next call. The
  // bits of a sequence do not depend on the others. The plan must be for weights of this type.
  std::span<float> extend(std::span<const int32_t> tokens, const DecodeWeights& weights,
                          std::span<nn::KvCache> caches);
  // The two halves of extend(): hidden [B, C], what the output head reads, valid until the next
  // extension; and the logits [B, V] of such rows. caches: those of the extension, whose last
  // tokens a model with a prior looks at; else they may be left out.
  std::span<const float> extend_hidden(std::span<const int32_t> tokens,
                                       const DecodeWeights& weights, std::span<nn::KvCache> caches);
  std::span<float> head_logits(std::span<const float> hidden, const DecodeWeights& weights,
                               std::span<const nn::KvCache> caches = {});
  // logits [tokens] = those of a few tokens after one row hidden [C]: the bits that the logits of
  // all have. Costs as many rows of the head as there are tokens. Not of a model with a prior.
  void candidate_logits(std::span<const float> hidden, const DecodeWeights& weights,
                        std::span<const int32_t> tokens, std::span<float> logits);

  // Runs the batch again, stage by stage, and names the first tensor with a NaN or an infinity: a
  // parameter, an activation, a loss, or a parameter's gradient, whose squares must be finite too
  // ("" if there is none). Overwrites gradients; without them (null) it stops at the loss.
  std::string first_nonfinite(const Batch& batch, const float* weights, DropoutSeed dropout,
                              float* gradients);

 private:
  struct Slots {
    nn::Scratch scratch;
    Slot rotary_cosine, rotary_sine;
    nn::EmbeddingPlan embedding;
    Slot rounded;  // without training: TokenEmbedding::round
    Slot embedded;
    nn::NgramPlan ngram;
    std::vector<nn::BlockPlan> blocks;
    std::vector<nn::BlockPlan>
        again;  // Recompute::kBlock: the forward that the backward runs again
    nn::NormPlan final_norm;
    Slot final;  // [N, C] final_norm(last block)
    nn::HeadPlan head;
    Slot logits;  // [head_rows, V]
    Slot prior;   // [head_rows, V] fp32, with a prior
    Slot losses;  // [N]
    Slot dfinal;  // [N, C]
    Slot dx;      // [N, C]
  };

  static Slots make_plan(const Transformer& model, const ops::Context& context,
                         const nn::PlanShape& shape, Planner& planner);
  static void plan_permanent(const Transformer& model, const ops::Context& context,
                             const nn::PlanShape& shape, Planner& planner, Slots& slots);
  static void plan_forward(const Transformer& model, const ops::Context& context,
                           const nn::PlanShape& shape, Planner& planner, Slots& slots);
  static void plan_backward(const Transformer& model, const nn::PlanShape& shape, Planner& planner,
                            Slots& slots);
  void make_rotary_tables();
  std::span<const nn::PackedLinear> packed(const float* weights);
  nn::Run make_run(int64_t B, int64_t T, const float* weights);
  // With the token table rounded, where the embedding wants that: not of generation, whose matrices
  // are stored.
  nn::Run make_forward_run(int64_t B, int64_t T, const float* weights);
  void embed(const nn::Run& run, const int32_t* tokens);
  void gather(const nn::Run& run, std::span<const int32_t> tokens, const DecodeWeights& weights);
  void forward_blocks(const nn::Run& run);
  Slot last_output() const;
  void final_norm(const nn::Run& run);
  // Losses of all rows; with gradient_scale != 0 also dfinal and the head's gradient.
  double head_loss(const nn::Run& run, const Batch& batch, float gradient_scale);
  const float* prior_of_rows(const nn::Run& run, const int32_t* tokens, const int32_t* targets,
                             int64_t first, int64_t rows);
  template <class History>
  void add_prior(const nn::Run& run, int64_t rows, History history, float* logits);
  template <class History>
  void finished_logits(const nn::Run& run, int64_t rows, const float* x, History history,
                       float* logits);
  nn::Run training_run(const Batch& batch, const float* weights, DropoutSeed dropout);
  void forward_trunk(const nn::Run& run, const int32_t* tokens);
  void backward_trunk(const nn::Run& run, const int32_t* tokens);
  void backward_final_norm(const nn::Run& run);
  void backward_block(const nn::Run& run, size_t layer);
  void backward_embedding(const nn::Run& run, const int32_t* tokens);

  const Transformer& model_;
  const ops::Context& context_;
  nn::PlanShape shape_;
  Planner planner_;
  Slots slots_;
  Arena arena_;
  std::optional<PackedWeights> own_packed_;
  PackedWeights* packed_ = nullptr;  // its own or shared; null without training
};

}  // namespace cllm
