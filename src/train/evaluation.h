// How well something predicts a text: the mean loss over the windows of the text, which are the
// same for everything that is compared.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "data/eval_windows.h"
#include "train/gradient_source.h"

namespace cllm {

struct Evaluation {
  double loss = 0;  // nats per token
  double perplexity = 0;
  double bits_per_byte = 0;
  int64_t tokens = 0;  // predicted
  int64_t bytes = 0;   // of text that they stand for
};

// loss: nats of `tokens` targets together, which stand for `bytes` bytes of text.
Evaluation make_evaluation(double loss, int64_t tokens, int64_t bytes);

// Gives the sum of the losses (nats) of a batch's targets that are not -1.
using BatchLoss = std::function<double(const Batch&)>;
// progress(batches done, of all): called after every batch; an exception from it ends the work.
using EvaluationProgress = std::function<void(int64_t, int64_t)>;

// Mean loss over the batches of `windows`. limit: about how many windows, spread evenly over the
// text; 0 = all. token_bytes [V]: bytes of text per token.
Evaluation evaluate(const EvalWindows& windows, int64_t limit,
                    const std::vector<int32_t>& token_bytes, const BatchLoss& batch_loss,
                    const EvaluationProgress& progress = {});

// The same of a neural model, whose evaluation_batch() and T are the windows'.
Evaluation evaluate(GradientSource& source, const float* weights, const EvalWindows& windows,
                    int64_t limit, const std::vector<int32_t>& token_bytes,
                    const EvaluationProgress& progress = {});

}  // namespace cllm
