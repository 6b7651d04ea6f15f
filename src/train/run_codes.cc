#include "train/run_codes.h"

#include <algorithm>
#include <vector>

#include "crystal/embedding_codes.h"
#include "model/model_folder.h"

namespace cllm {
namespace {

constexpr int64_t kChunk = 1 << 16;  // tokens that are read at a time

// How often each of V tokens occurs.
std::vector<int64_t> count_tokens(const TokenView& tokens, int64_t V) {
  std::vector<int64_t> counts(static_cast<size_t>(V));
  std::vector<Token> chunk(static_cast<size_t>(std::min(kChunk, tokens.size())));
  for (int64_t begin = 0; begin < tokens.size(); begin += kChunk) {
    const int64_t count = std::min(kChunk, tokens.size() - begin);
    tokens.copy(begin, count, chunk.data());
    for (int64_t i = 0; i < count; ++i)
      ++counts[static_cast<size_t>(chunk[static_cast<size_t>(i)])];
  }
  return counts;
}

}  // namespace

std::shared_ptr<const nn::CodeTable> codes_of_run(RunSettings& settings, const Corpus& corpus,
                                                  const std::optional<fs::path>& checkpoint) {
  ModelConfig& config = settings.model;
  if (config.embedding != nn::EmbeddingKind::kComposite) return nullptr;
  if (checkpoint) return load_model_codes(*checkpoint, config);
  if (!settings.train.init.empty()) return load_model_codes(settings.train.init, config);
  std::vector<int64_t> counts;
  if (config.embedding_dense_rows > 0) counts = count_tokens(corpus.train, config.vocabulary_size);
  return choose_embedding_codes(config, corpus.tokenizer, counts);
}

}  // namespace cllm
