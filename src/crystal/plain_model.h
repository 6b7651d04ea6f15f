// A model whose token vectors are a plain table [V, C], as other software has them: the rows that
// its embedding gives, made once. A head tied to the embedding is tied to the table then, h E^T for
// the (h B) A^T of factors and the S (U h) of codes: the same sums in another order.
#pragma once

#include <memory>
#include <vector>

#include "model/transformer.h"
#include "ops/context.h"
#include "tensor/arena.h"

namespace cllm {

// A model and its weights, laid out by model->parameters().
struct PlainModel {
  std::unique_ptr<const Transformer> model;
  Arena weights;
};

// Tokens of the window for which the vectors of plain_model() have the bits of the forward pass:
// the whole context, if that is not very long.
int64_t plain_window(const ModelConfig& config);

// The configuration with a dense embedding. Error (kUsage) for what no weight of a plain model
// stands for: a memory of n-grams, a prior.
ModelConfig plain_config(const ModelConfig& config);

// Every vector has the bits that Session::logits of plain_window() tokens adds positions to; all
// other parameters are copied. Error as plain_config. Threaded; some 2 V r C operations for factors
// of width r, and r + C floats per token of a window.
PlainModel plain_model(const Transformer& model, const float* weights, const ops::Context& context);

// The table of plain_model() alone: table [V, C] = . Cost as there.
void fill_plain_table(const Transformer& model, const float* weights, const ops::Context& context,
                      float* table);

// By token, how far the logits of the plain model may be from those of the model, both rounded to
// fp32: a bound, not an estimate. Empty if nothing is summed in another order, so that they are the
// same bits. Finite weights.
std::vector<double> plain_logit_bounds(const Transformer& model, const float* weights);

}  // namespace cllm
