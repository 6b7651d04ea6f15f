// Optimizer updates on flat spans of one arena, and the norm of all gradients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/table.h"
#include "ops/context.h"

namespace cllm::optim {

// A run of parameters in the arena that are updated alike. Spans are disjoint and ascending.
struct ParameterSpan {
  int64_t begin = 0;  // element offset in the arena
  int64_t count = 0;  // elements
  bool decays = false;
  double rate = 1;           // times the learning rate
  int64_t second_shift = 0;  // AdamW: the second moment of element i is element i - second_shift
};

struct AdamW {  // Loshchilov & Hutter, "Decoupled weight decay regularization", 2019
  // Doubles, because 1 - beta2 and the bias corrections lose digits when beta2 is rounded to float.
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0.1;
};

struct Sgd {
  double momentum = 0.9, weight_decay = 0.0;
};

// Where an update reads and writes, each laid out by the arena but for the second moments (see
// ParameterSpan); SGD keeps its velocity in first_moment and has no second one.
struct UpdateArenas {
  const float* gradients = nullptr;
  float* weights = nullptr;
  float* first_moment = nullptr;
  float* second_moment = nullptr;
};

// One step of AdamW or SGD as what happens to each element, for callers that cut the arena
// themselves: whichever way, the bits are the same. Immutable; thread-safe on disjoint elements.
// spans must outlive it.
class ElementwiseUpdate {
 public:
  // Each gradient is first multiplied by gradient_scale (clipping). AdamW: step counts from 1 (bias
  // correction); decay: w -= learning_rate * weight_decay * w on spans that decay, before the
  // update, as PyTorch does. Within rounding of torch.optim.AdamW.
  ElementwiseUpdate(const kernels::Table& kernels, const AdamW& options,
                    std::span<const ParameterSpan> spans, int64_t step, double learning_rate,
                    float gradient_scale);
  // velocity = momentum * velocity + g; w -= learning_rate * (velocity + weight_decay * w on spans
  // that decay).
  ElementwiseUpdate(const kernels::Table& kernels, const Sgd& options,
                    std::span<const ParameterSpan> spans, double learning_rate,
                    float gradient_scale);

  // weights =, moments = of the elements of spans inside [begin, end) of the arena.
  void apply(int64_t begin, int64_t end, const UpdateArenas& arenas) const;
  // The same on all spans, one parallel loop over fixed chunks, however small the spans are.
  void apply_to_all(const ops::Context& context, const UpdateArenas& arenas) const;

 private:
  void apply_adamw(const ParameterSpan& span, int64_t begin, int64_t count,
                   const UpdateArenas& arenas) const;
  void apply_sgd(const ParameterSpan& span, int64_t begin, int64_t count,
                 const UpdateArenas& arenas) const;

  const kernels::Table& kernels_;
  std::span<const ParameterSpan> spans_;
  bool is_adamw_;
  double learning_rate_, weight_decay_;
  double first_correction_ = 1;      // AdamW
  kernels::AdamWUpdate adamw_ = {};  // without what a span decides
  kernels::SgdUpdate sgd_ = {};
};

// AdamW on all spans.
void adamw_step(const ops::Context& context, const AdamW& options,
                std::span<const ParameterSpan> spans, int64_t step, double learning_rate,
                float gradient_scale, const float* gradients, float* weights, float* first_moment,
                float* second_moment);

// Euclidean norm of gradients[0, count): chunks of kNormChunk elements (squares in fp32, summed as
// kernels/rows.h says), the chunks' sums in double in order. partial: norm_partials(count) doubles.
// NaN, infinity or a magnitude above 1e19 anywhere gives a non-finite norm.
inline constexpr int64_t kNormChunk = 16384;
int64_t norm_partials(int64_t count);
double gradient_norm(const ops::Context& context, int64_t count, const float* gradients,
                     double* partial);
// The same in two parts: a chunk's sum of at most kNormChunk squares, and the norm of all chunks.
double norm_partial(const kernels::Table& kernels, int64_t count, const float* gradients);
double norm_of_partials(std::span<const double> partial);

// Factor that clips a gradient of this norm to max_norm: min(1, max_norm / norm); 1 if max_norm <=
// 0. The caller stops on a non-finite norm before it updates anything.
float clip_scale(double norm, double max_norm);

}  // namespace cllm::optim
