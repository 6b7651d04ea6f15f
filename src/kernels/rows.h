// Kernels on one row or one flat span: normalisation, softmax and cross-entropy, rotary, gated
// activation, dropout, sums and copies. Sums are formed in fp32 over blocks of kSumBlock elements,
// in four accumulators per lane, and the blocks are added in double, so a sum of n terms carries a
// relative error (of the sum of magnitudes) below (kSumBlock / (4 lanes) + 8) * 2^-24 for any n.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"
#include "kernels/philox.h"
#include "kernels/storage.h"

namespace cllm::kernels {

inline constexpr int64_t kSumBlock = 512;

// The terms of a cross-entropy over one row of logits.
struct CrossEntropyRow {
  int64_t count = 0;         // V, at least 1
  int64_t target = 0;        // in [0, V)
  float softcap = 0;         // 0: none
  float gradient_scale = 0;  // 0: no gradient, the logits stay as they were
  // [count], on top of the capped logits; null: nothing
  const float* added = nullptr;
};

// S is the element type of activations and their gradients (kernels/storage.h); parameters, their
// gradients and statistics are fp32. "=" into S rounds once, from fp32.
template <class S>
struct RowKernels {
  // out [n] = x
  void (*narrow)(int64_t n, const float* x, S* out);
  void (*widen)(int64_t n, const S* x, float* out);
  // out [n] = a + b; out may equal a or b.
  void (*add)(int64_t n, const S* a, const S* b, S* out);
  // out [n] = rows[0] + rows[1] + ..., summed in this order: rows of embedding tables. count >= 1.
  void (*embed)(int64_t n, int64_t count, const float* const* rows, S* out);
  // out [n] += x
  void (*accumulate)(int64_t n, const S* x, float* out);
  // out [n] = the sum of `rows` rows of x [rows, n], stride apart, four rows at a time in row
  // order.
  void (*sum_rows)(int64_t rows, int64_t n, const S* x, int64_t stride, float* out);
  // out [n] = element first + i is kept ? x * scale : 0; it is kept if its word of the stream (word
  // e % 4 of block e / 4 for element e) is >= threshold. out may equal x.
  void (*dropout)(const PhiloxStream* stream, int64_t first, int64_t n, uint32_t threshold,
                  float scale, const S* x, S* out);
  // y [n] = activation(x), one of the forward forms; the function of the product's epilogue. y may
  // equal x.
  void (*activate)(Activation activation, int64_t n, const S* x, S* y);
  // y [n] = silu(gate) * up, silu(x) = x / (1 + e^-x). y may equal gate or up.
  void (*swiglu)(int64_t n, const S* gate, const S* up, S* y);
  // x [n] = cap * tanh(x / cap), in place. Relative error below 8 * 2^-24.
  void (*softcap)(int64_t n, float cap, S* x);
  // Turns `heads` heads of size 2 * half at x, in place: with (a, b) = (x[i], x[i + half]) of a
  // head, a = a cos - b sin * direction, b = b cos + a sin * direction. cosine, sine [half].
  void (*rotary)(int64_t heads, int64_t half, const float* cosine, const float* sine,
                 float direction, S* x);
  // y [n] = (x - mean) * rstd * gain + bias; *mean = , *rstd = 1/sqrt(variance + epsilon). The
  // variance is summed about the mean in a second pass. bias may be null; y may equal x. n >= 1.
  void (*layer_norm)(int64_t n, float epsilon, const S* x, const float* gain, const float* bias,
                     S* y, float* mean, float* rstd);
  // dx [n] += ; dgain [n] += ; dbias [n] += (may be null). n >= 1.
  void (*layer_norm_backward)(int64_t n, const S* x, const float* gain, float mean, float rstd,
                              const S* dy, S* dx, float* dgain, float* dbias);
  // y [n] = x * rstd * gain; returns rstd = 1/sqrt(mean(x^2) + epsilon). gain may be null (1); y
  // may equal x. n >= 1.
  float (*rms_norm)(int64_t n, float epsilon, const S* x, const float* gain, S* y);
  // dx [n] += if accumulate, else = ; dgain [n] += (may be null). dx may equal dy if it is not
  // accumulated. n >= 1.
  void (*rms_norm_backward)(int64_t n, const S* x, const float* gain, float rstd, const S* dy,
                            bool accumulate, S* dx, float* dgain);
  // Returns logsumexp(z) - z[target] in nats with z = (softcap ? softcap * tanh(logit / softcap) :
  // logit) + added. If gradient_scale != 0, logits = gradient_scale * d loss / d logit. Neither the
  // loss nor the gradient of the target loses its relative precision as the loss approaches zero.
  float (*cross_entropy)(const CrossEntropyRow* row, S* logits);
};

}  // namespace cllm::kernels
