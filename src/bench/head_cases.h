// The output head of a training step: logits, softmax with its gradient, and the products of the
// backward pass, with a matrix [V, C] and with codes (ops/composite.h) of the same vocabulary.
#pragma once

#include "bench/operation_cases.h"

namespace cllm::bench {

// Vocabularies of 8192 and 50257 tokens at the width of the preset; codes as many and as long as
// those of real ones.
OperationCase dense_head_8k(const ops::Context& context, const BenchPreset& preset,
                            const ModelConfig& config);
OperationCase composite_head_8k(const ops::Context& context, const BenchPreset& preset,
                                const ModelConfig& config);
OperationCase dense_head_50k(const ops::Context& context, const BenchPreset& preset,
                             const ModelConfig& config);
OperationCase composite_head_50k(const ops::Context& context, const BenchPreset& preset,
                                 const ModelConfig& config);

}  // namespace cllm::bench
