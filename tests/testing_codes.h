// Codes for tests of composite embeddings.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "base/philox.h"
#include "model/config.h"

namespace cllm::testing {

// One to four of `rows` rows for each of V tokens, drawn by lot.
inline std::shared_ptr<const nn::CodeTable> random_codes(int64_t V, int64_t rows) {
  PhiloxSequence source(Philox(4, RandomStream::kTest), 0);
  std::vector<int32_t> offsets = {0}, pieces;
  for (int64_t token = 0; token < V; ++token) {
    const auto count = 1 + source.below(static_cast<uint64_t>(std::min<int64_t>(4, rows)));
    std::set<int32_t> code;
    while (code.size() < count)
      code.insert(static_cast<int32_t>(source.below(static_cast<uint64_t>(rows))));
    pieces.insert(pieces.end(), code.begin(), code.end());
    offsets.push_back(static_cast<int32_t>(pieces.size()));
  }
  return std::make_shared<const nn::CodeTable>(rows, std::move(offsets), std::move(pieces));
}

// What a model of this configuration wants beside it: codes, or null if it has no composite
// embedding.
inline std::shared_ptr<const nn::CodeTable> test_codes(const ModelConfig& config) {
  if (config.embedding != nn::EmbeddingKind::kComposite) return nullptr;
  return random_codes(config.vocabulary_size, config.code_rows());
}

}  // namespace cllm::testing
