#include "data/eval_windows.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"

namespace cllm {

EvalWindows::EvalWindows(TokenView tokens, int64_t batch, int64_t context)
    : tokens_(tokens), batch_(batch), context_(context) {
  CHECK_MSG(batch >= 1 && context >= 1, "B={} T={}", batch, context);
  if (tokens.size() < 2)
    throw Error(ErrorKind::kData, "held-out text",
                fmt::format("{} tokens, at least 2 are needed", tokens.size()),
                "give more text or a larger validation share");
  length_ = std::min(context, tokens.size() - 1);
  windows_ = (tokens.size() - 1) / length_;
}

int64_t EvalWindows::batch(int64_t index, int32_t* tokens, int32_t* targets) const {
  CHECK_MSG(index >= 0 && index < batches(), "{} of {}", index, batches());
  std::fill_n(tokens, batch_ * context_, 0);
  std::fill_n(targets, batch_ * context_, -1);
  const int64_t first = index * batch_;
  const int64_t rows = std::min(batch_, windows_ - first);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t begin = (first + row) * length_;
    tokens_.copy(begin, length_, tokens + row * context_);
    tokens_.copy(begin + 1, length_, targets + row * context_);
  }
  return rows * length_;
}

}  // namespace cllm
