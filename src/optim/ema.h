// The exponential moving average of the weights, which is evaluated and published instead of them.
#pragma once

#include <cstdint>

#include "ops/context.h"

namespace cllm::optim {

// The decay used after update 1, 2, ...: min(decay, update / (9 + update)), so that the random
// beginning is forgotten as fast as the average grows (the rule of TensorFlow's
// ExponentialMovingAverage).
double ema_decay(double decay, int64_t update);

// average [count] = average + (1 - decay) (weights - average). Threads over fixed chunks.
void ema_update(const ops::Context& context, double decay, int64_t count, const float* weights,
                float* average);

}  // namespace cllm::optim
