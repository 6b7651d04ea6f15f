// Two predictors of the same tokens mixed with one weight: p = w p_first + (1 - w) p_second
// (Jelinek & Mercer, 1980). The free control of every technique that joins n-gram counts with a
// network: what joining them afterwards, without training, is worth.
#pragma once

#include <array>
#include <span>

namespace cllm {

struct Mixture {
  double loss = 0;  // nats of all tokens together
  // Of the first predictor: as the second half of the tokens would have it, used on the first half,
  // and the other way round. So no token is predicted with a weight that has seen it.
  std::array<double, 2> weights = {};
};

// The weight in [0, 1] that predicts these tokens best; losses in nats, one per token, finite. The
// likelihood is concave in it: bisection of its slope to 1e-6.
double best_mixture_weight(std::span<const float> first, std::span<const float> second);

// The sum over the tokens of -log(w e^-first + (1 - w) e^-second).
double mixture_loss(double weight, std::span<const float> first, std::span<const float> second);

// Of at least 2 tokens, in the order of the text.
Mixture mix(std::span<const float> first, std::span<const float> second);

}  // namespace cllm
