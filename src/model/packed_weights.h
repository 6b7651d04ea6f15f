// The matrices of a model as its products read them, packed once for all passes that use the same
// weights; one Session's own, or shared by several.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/transformer.h"
#include "nn/run.h"
#include "tensor/arena.h"

namespace cllm {

// Not thread-safe, but what is held may be read by any number of threads. `model` and `context`
// must outlive it.
class PackedWeights {
 public:
  // Memory that one takes.
  static int64_t planned_bytes(const Transformer& model, const ops::Context& context,
                               ops::Storage storage);

  // For products of activations in `storage`, with the kernels of the context. Error (kMemory).
  PackedWeights(const Transformer& model, const ops::Context& context, ops::Storage storage);

  int64_t bytes() const { return arena_.bytes(); }

  // Packs `weights`; until release, they do not change.
  void hold_weights(const float* weights);
  void release_weights() { held_ = nullptr; }
  bool holds(const float* weights) const { return weights == held_; }

  // By parameter index. Packs them first unless they are held.
  std::span<const nn::PackedLinear> of(const float* weights);
  // The token table of the weights that were packed last as their forward reads it.
  nn::RoundedParameter rounded() const { return rounded_; }

 private:
  struct Slots {
    std::vector<nn::Linear::PackedSlots> linears;
    Slot rounded;
  };
  static Slots make_plan(const Transformer& model, const ops::Context& context,
                         ops::Storage storage, Planner& planner);
  void pack(const float* weights);

  const nn::TokenEmbedding& embedding_;
  const ops::Context& context_;
  ops::Storage storage_;
  std::vector<const nn::Linear*> linears_;
  Planner planner_;
  Slots slots_;
  Arena arena_;
  std::vector<nn::PackedLinear> packed_;  // by parameter index
  nn::RoundedParameter rounded_;
  const float* held_ = nullptr;
};

// Several micro-batches or evaluations with weights that do not change meanwhile: packs them once.
// Holder: whatever has hold_weights and release_weights.
template <class Holder>
class HeldWeights {
 public:
  HeldWeights(Holder& holder, const float* weights) : holder_(holder) {
    holder.hold_weights(weights);
  }
  ~HeldWeights() { holder_.release_weights(); }
  HeldWeights(const HeldWeights&) = delete;
  HeldWeights& operator=(const HeldWeights&) = delete;

 private:
  Holder& holder_;
};

}  // namespace cllm
