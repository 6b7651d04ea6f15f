#include "train/baseline.h"

#include "base/check.h"
#include "train/token_text.h"

namespace cllm {
NgramCounts count_ngrams(TokenView text, int64_t vocabulary_size, int order,
                         const LevelProgress& progress) {
  return count_ngrams(tokens_of(text), vocabulary_size, order, progress);
}

double baseline_loss(const KneserNey& model, const Batch& batch, std::vector<float>& losses) {
  double loss = 0;
  for (int64_t row = 0; row < batch.B; ++row) {
    const Token* tokens = batch.tokens + row * batch.T;
    const Token* targets = batch.targets + row * batch.T;
    for (int64_t t = 0; t < batch.T; ++t) {
      if (targets[t] < 0) continue;
      const double nats = -model.log_probability({tokens, static_cast<size_t>(t + 1)}, targets[t]);
      loss += nats;
      losses.push_back(static_cast<float>(nats));
    }
  }
  return loss;
}

Evaluation evaluate_continuously(const KneserNey& model, TokenView text,
                                 const std::vector<int32_t>& token_bytes) {
  CHECK_MSG(text.size() >= 2, "{} tokens", text.size());
  const std::vector<Token> tokens = tokens_of(text);
  double loss = 0;
  int64_t bytes = 0;
  for (size_t i = 1; i < tokens.size(); ++i) {
    loss -= model.log_probability(std::span(tokens).first(i), tokens[i]);
    bytes += token_bytes[static_cast<size_t>(tokens[i])];
  }
  return make_evaluation(loss, text.size() - 1, bytes);
}

}  // namespace cllm
