// Forward and backward of the plain pipeline: what one thread (or all of them, sharing each
// operation) does with its sequences of a batch. Sequence by sequence, or all rows at once.
#pragma once

#include <vector>

#include "bench/staircase_buffers.h"
#include "bench/staircase_layers.h"
#include "model/session.h"
#include "model/transformer.h"

namespace cllm::bench {

// Not thread-safe. model and context must outlive it. The model is of GPT-2's kind: LayerNorm,
// learned positions, GELU, biases, tied head, no dropout; anything else is a CHECK.
class PlainWorker {
 public:
  // B: sequences of every batch; T is the model's context.
  PlainWorker(const Features& features, const Transformer& model, const ops::Context& context,
              int64_t B);

  // As Session::forward_backward.
  double forward_backward(const Batch& batch, const float* weights, float gradient_scale,
                          float* gradients);

 private:
  struct NormPlace {
    int64_t gain = 0, bias = 0;
  };
  struct BlockPlace {
    NormPlace attention_norm, mlp_norm;
    LinearPlace qkv, output, up, down;
  };
  struct NormStatistics {
    float *mean, *rstd;  // [N]
  };
  // What the forward keeps of a block.
  struct Kept {
    NormStatistics attention_norm, mlp_norm;
    const float* input;                                             // [N, C]
    float *attention_input, *qkv, *probabilities, *heads, *middle;  // [N, ...]
    float *mlp_input, *hidden, *activation, *output;
  };
  // Gradients shared by all blocks of a pass.
  struct Gradients {
    float *qkv, *heads, *hidden, *input;
  };
  // One pass over B sequences: where it reads and what it is part of.
  struct Pass {
    int64_t B, T, N;
    const int32_t *tokens, *targets;
    const float* weights;
    float scale;
    float* gradients;
  };

  HeadShape head_shape(const Pass& pass) const;
  void embed_by_token(const Pass& pass, float* x);
  void scatter_by_token(const Pass& pass, const float* dx);
  // x [N, C]: the embedding; dx [N, C] = its gradient. Returns the sum of the losses.
  double run(const Pass& pass, const float* x, float* dx);
  NormStatistics norm_forward(const Pass& pass, const NormPlace& place, const float* x, float* y);
  void norm_backward(const Pass& pass, const NormPlace& place, const NormStatistics& statistics,
                     const float* x, const float* dy, float* dx);
  Kept block_forward(const Pass& pass, const BlockPlace& place, const float* x);
  void block_backward(const Pass& pass, const BlockPlace& place, const Kept& kept,
                      const Gradients& buffers, float* dx);
  // dfinal [N, C] =
  double head(const Pass& pass, const float* final, float* dfinal);

  const Features features_;
  const ModelConfig& config_;
  int64_t C_, V_, token_table_, position_table_;
  std::vector<BlockPlace> blocks_;
  NormPlace final_norm_;
  LinearPlace head_;
  Layers layers_;
  Buffers pass_buffers_, batch_buffers_;
};

}  // namespace cllm::bench
