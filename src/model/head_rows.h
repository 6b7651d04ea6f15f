// How many rows of logits exist at a time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "model/transformer.h"
#include "nn/run.h"

namespace cllm {

// Logits are made for a slice of rows at a time, so that N = 8192 rows of a 50k vocabulary need 64
// MiB, not 1.6 GB. Depends on the shape only. Slices of the vocabulary instead of the rows would
// make every logit twice, since the softmax needs all of a row before the first gradient.
inline constexpr int64_t kLogitBytes = int64_t{64} << 20;

inline int64_t head_rows(const Transformer& model, const nn::PlanShape& shape) {
  const int64_t row = model.config().vocabulary_size * kernels::storage_bytes(shape.storage);
  return std::clamp<int64_t>(kLogitBytes / row, 16, std::max<int64_t>(shape.rows(), 16));
}

}  // namespace cllm
