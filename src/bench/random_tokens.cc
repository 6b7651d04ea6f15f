#include "bench/random_tokens.h"

#include <utility>
#include <vector>

#include "base/philox.h"

namespace cllm::bench {

TokenDataset random_tokens(int64_t count, int64_t vocabulary) {
  const Philox source(0, RandomStream::kShuffle);
  std::vector<Token> tokens(static_cast<size_t>(count));
  for (size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = static_cast<Token>(source.below(static_cast<uint64_t>(vocabulary), 0, i));
  return TokenDataset::from_tokens(std::move(tokens), static_cast<int>(vocabulary));
}

}  // namespace cllm::bench
