// Fused softmax and cross-entropy over rows of logits, threaded over rows.
#pragma once

#include <cstdint>

#include "ops/context.h"
#include "ops/values.h"

namespace cllm::ops {

// For each row n of logits [N, V]: z = (softcap > 0 ? softcap * tanh(logit / softcap) : logit) +
// added, where added [N, V] is fp32 whatever the storage of the logits, or null for none;
// losses [N] = logsumexp(z) - z[target] in nats, 0 where targets[n] == -1 (ignored).
// If gradient_scale != 0, logits are overwritten (=) by gradient_scale * d loss / d logit (0 rows
// where ignored); the trainer passes 1 / (number of counted targets of the optimizer step). If it
// is 0, logits are left as they were. A target outside [-1, V) is a CHECK.
void cross_entropy(const Context& context, int64_t N, int64_t V, float softcap,
                   const int32_t* targets, float gradient_scale, Values logits, float* losses,
                   const float* added = nullptr);

// Sum of losses in double, in row order. A non-finite loss gives a non-finite sum.
double sum_losses(int64_t N, const float* losses);

// logits [N, V] in place: softcap * tanh(logit / softcap); for inference.
void softcap(const Context& context, int64_t N, int64_t V, float cap, Values logits);

}  // namespace cllm::ops
