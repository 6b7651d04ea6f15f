#include "train/token_text.h"

#include "base/file.h"

namespace cllm {

std::vector<Token> tokens_of(TokenView text) {
  std::vector<Token> tokens(static_cast<size_t>(text.size()));
  text.copy(0, text.size(), tokens.data());
  return tokens;
}

uint64_t hash_of_tokens(TokenView text) {
  const std::vector<Token> tokens = tokens_of(text);
  return hash64(tokens.data(), tokens.size() * sizeof(Token));
}

}  // namespace cllm
