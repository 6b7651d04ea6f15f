// Optimizer updates on flat spans of one arena, and the norm of all gradients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

// One step on every span: weights =, first_moment =, second_moment = . step counts from 1 (bias
// correction). One parallel loop for all spans, however small. Each gradient is first multiplied by
// gradient_scale (clipping). Decay: w -= learning_rate * weight_decay * w on spans that decay,
// before the update, as PyTorch does. Within rounding of torch.optim.AdamW. Threads over fixed
// chunks; elements outside the spans are untouched.
void adamw_step(const ops::Context& context, const AdamW& options,
                std::span<const ParameterSpan> spans, int64_t step, double learning_rate,
                float gradient_scale, const float* gradients, float* weights, float* first_moment,
                float* second_moment);

struct Sgd {
  double momentum = 0.9, weight_decay = 0.0;
};

// velocity = momentum * velocity + g; w -= learning_rate * (velocity + weight_decay * w on spans
// that decay).
void sgd_step(const ops::Context& context, const Sgd& options, std::span<const ParameterSpan> spans,
              double learning_rate, float gradient_scale, const float* gradients, float* weights,
              float* velocity);

// Euclidean norm of gradients[0, count): chunks of kNormChunk elements (squares in fp32, summed as
// kernels/rows.h says), the chunks' sums in double in order. partial: norm_partials(count) doubles.
// NaN, infinity or a magnitude above 1e19 anywhere gives a non-finite norm.
inline constexpr int64_t kNormChunk = 16384;
int64_t norm_partials(int64_t count);
double gradient_norm(const ops::Context& context, int64_t count, const float* gradients,
                     double* partial);

// Factor that clips a gradient of this norm to max_norm: min(1, max_norm / norm); 1 if max_norm <=
// 0. The caller stops on a non-finite norm before it updates anything.
float clip_scale(double norm, double max_norm);

}  // namespace cllm::optim
