// Generation: reading a prompt, which arithmetic limits, and one token after the other, for one or
// several sequences at once, which the bandwidth of the weights limits.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/presets.h"
#include "bench/report.h"
#include "model/transformer.h"
#include "ops/context.h"
#include "ops/decode.h"

namespace cllm::bench {

struct GenerateShape {
  int64_t prompt_tokens = 0;  // read at once; at most half of the context is taken
  int64_t tokens = 0;         // generated after it; at most the other half
  ops::WeightType weights = ops::WeightType::kFp32;
  int64_t batch = 1;  // sequences decoded together; at most Generator::kMostSequences
};

// Bytes that one step reads, which generates a token for each of shape.batch sequences: every
// weight once, of the embeddings only what serves as output head, and the keys and values of
// `length` tokens per sequence.
int64_t decode_bytes(const Transformer& model, const GenerateShape& shape, int64_t length);

// For every preset with random weights, prefill and decode in tokens/s beside the peak and the
// bandwidth measured in the same turns. Appends to report.results. Error (kMemory).
void measure_generation(const ops::Context& context, const std::vector<BenchPreset>& presets,
                        const GenerateShape& shape, int rounds, const Progressed& progress,
                        Report& report);

}  // namespace cllm::bench
