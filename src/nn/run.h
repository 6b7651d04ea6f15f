// One execution of a planned model: the arenas, the shape of this call and what the layers need to
// run. Layers themselves are immutable descriptions; everything that changes is reached through a
// Run.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "ops/attention.h"
#include "ops/context.h"
#include "ops/decode.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/values.h"
#include "tensor/parameters.h"
#include "tensor/planner.h"

namespace cllm::nn {

// The most tokens that anything but attention looks back (model/logit_prior.h).
inline constexpr size_t kHistoryTokens = 7;

// Keys and values of the tokens already seen, for generation. Rows of layer l start at l *
// layer_stride; token t of a layer has its [K, D] keys at t * row_stride. One sequence.
struct KvCache {
  float* keys = nullptr;
  float* values = nullptr;
  int64_t layer_stride = 0;
  int64_t row_stride = 0;
  int64_t capacity = 0;  // tokens
  int64_t length = 0;    // tokens present before this call

  // The last of them, as many as an n-gram can need; the newest at the end.
  std::array<int32_t, kHistoryTokens> last = {};
  std::span<const int32_t> history() const {
    return std::span(last).last(static_cast<size_t>(std::min<int64_t>(length, std::ssize(last))));
  }
  // Counts tokens as seen.
  void append(std::span<const int32_t> tokens) {
    for (const int32_t token : tokens.last(std::min(tokens.size(), last.size()))) {
      std::shift_left(last.begin(), last.end(), 1);
      last.back() = token;
    }
    length += std::ssize(tokens);
  }
};

// The weight of a linear layer as its two products read it: packed once per optimizer step.
struct PackedLinear {
  ops::PackedMatrix forward;   // W^T, [in, out]
  ops::PackedMatrix backward;  // W, [out, in]
};

// Sees what a linear layer is about to multiply: x [N, in] and the index of its weight parameter.
using InputObserver =
    std::function<void(int32_t parameter, int64_t N, int64_t in, ops::ConstValues x)>;

// Values that the forward reads in place of those of a parameter: its rounding. Gradients go to the
// parameter as if there were none (the straight-through estimate: Bengio et al. 2013).
struct RoundedParameter {
  int32_t parameter = -1;
  const float* values = nullptr;
};

struct Run {
  const ops::Context& context;
  const Planner& plan;
  float* arena = nullptr;                      // activations, laid out by plan
  ops::Storage storage = ops::Storage::kFp32;  // of activations and their gradients
  std::span<const PackedLinear> packed =
      {};  // by parameter index; empty: weights are read in place
  std::span<const ops::DecodeMatrix> stored =
      {};                          // generation: by parameter index, in place of weights' matrices
  const float* weights = nullptr;  // parameter arena
  RoundedParameter rounded = {};
  float* gradients = nullptr;  // parameter arena, +=; null without backward
  int64_t B = 0, T = 0;   // sequences, tokens per sequence of this call (at most what was planned)
  bool training = false;  // dropout on; activations kept for the backward
  uint64_t seed = 0;      // dropout: seed and micro-step, see ops::DropoutKey
  uint64_t micro_step = 0;
  std::span<KvCache> caches = {};  // generation: of each sequence; T == 1 if there are several
  const float* rotary_cosine = nullptr;  // [positions, D/2]; null without rotary positions
  const float* rotary_sine = nullptr;
  const InputObserver* observer = nullptr;  // of the forwards of linear layers; null: nobody looks

  int64_t rows() const { return B * T; }
  // What the forward reads of the parameter that begins at `offset`.
  const float* weight(int32_t parameter, int64_t offset) const {
    return parameter == rounded.parameter ? rounded.values : weights + offset;
  }
  // The slot's buffer; nullptr for a slot that was not planned.
  float* at(Slot slot) const { return slot.valid() ? arena + plan.offset(slot) : nullptr; }
  // The same for a slot of activations.
  ops::Values values(Slot slot) const { return {at(slot), storage}; }
  // The same for a slot of declare_keys().
  uint64_t* keys(Slot slot) const { return reinterpret_cast<uint64_t*>(at(slot)); }
  ops::DropoutKey dropout_key(uint32_t site) const { return {seed, micro_step, site}; }
};

// Scratch shared by all operations of a plan, alive throughout.
struct Scratch {
  Slot gemm;       // ops::gemm_scratch of every product of the plan
  Slot reduction;  // partial sums of gain and bias gradients
  Slot attention;  // ops::attention_scratch
  Slot expanded;   // generation with converted weights: a matrix of a block as fp32
};

// What the forward keeps for the backward and what the backward computes again.
// kNone: everything is kept.
// kCheap: norms' outputs and the MLP's activation are computed again, 6 of a block's 16 C numbers
// per token.
// kBlock: only a block's input is kept; its forward runs again (4/3 of the products), with the same
// bits.
enum class Recompute { kNone, kCheap, kBlock };

// What a plan is for.
struct PlanShape {
  int64_t B = 0, T = 0;
  int64_t S = 0;          // most keys a query sees: T, or the cache's capacity
  bool training = false;  // plan the backward, keep what it needs; weights are packed
  ops::Storage storage = ops::Storage::kFp32;
  Recompute recompute = Recompute::kNone;
  ops::WeightType weights = ops::WeightType::kFp32;  // generation: how matrices are stored
  int64_t rows() const { return B * T; }
  // Of a forward whose blocks may be run again for the backward: then it keeps nothing for it.
  PlanShape of_first_pass() const {
    PlanShape shape = *this;
    shape.training = training && recompute != Recompute::kBlock;
    return shape;
  }
  // Declares a buffer of activations; `elements` of the plan's storage.
  Slot declare(Planner& planner, std::string name, int64_t elements) const {
    const int64_t bytes = elements * kernels::storage_bytes(storage);
    return planner.declare(std::move(name), (bytes + 3) / 4);
  }
  // Keys of ops::sort_tokens for every row; an invalid slot if tokens are not to be sorted.
  Slot declare_keys(Planner& planner, std::string name, const ops::Context& context) const {
    if (context.tokens == ops::TokenOrder::kBatch) return {};
    return planner.declare_permanent(std::move(name), 2 * rows());
  }
};

}  // namespace cllm::nn
