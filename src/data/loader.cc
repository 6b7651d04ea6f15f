#include "data/loader.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"

namespace cllm {

BatchLoader::BatchLoader(TokenView tokens, int64_t batch, int64_t context, uint64_t seed)
    : tokens_(tokens),
      batch_(batch),
      context_(context),
      source_(seed, RandomStream::kShuffle),
      order_(source_, 0, 1) {
  CHECK_MSG(batch >= 1 && context >= 1, "B={} T={}", batch, context);
  if (tokens.size() < context + 1)
    throw Error(
        ErrorKind::kData, "training text",
        fmt::format("{} tokens, but a context of {} needs at least {}", tokens.size(), context,
                    context + 1),
        tokens.size() >= 2
            ? fmt::format("choose a context of {} or less, or give more text", tokens.size() - 1)
            : "give more text");
  begin_epoch(0);
}

void BatchLoader::begin_epoch(uint64_t epoch) {
  const int64_t slack = tokens_.size() - context_;  // offsets that leave a window
  epoch_ = epoch;
  window_ = 0;
  const auto offsets = static_cast<uint64_t>(std::min(context_, slack));
  offset_ = static_cast<int64_t>(source_.below(offsets, epoch, 0));
  windows_ = (tokens_.size() - 1 - offset_) / context_;
  order_ = Permutation(source_, epoch, windows_);
}

void BatchLoader::next(int32_t* tokens, int32_t* targets) {
  for (int64_t row = 0; row < batch_; ++row) {
    if (window_ == windows_) begin_epoch(epoch_ + 1);
    const int64_t begin = offset_ + order_(window_++) * context_;
    tokens_.copy(begin, context_, tokens + row * context_);
    tokens_.copy(begin + 1, context_, targets + row * context_);
  }
}

void BatchLoader::restore(LoaderState state) {
  const bool valid_epoch = state.epoch <= UINT32_MAX;
  if (valid_epoch) begin_epoch(state.epoch);
  if (!valid_epoch || state.window < 0 || state.window > windows_)
    throw Error(ErrorKind::kData, "data position",
                fmt::format("window {} of epoch {} does not exist: the epoch has {} windows",
                            state.window, state.epoch, windows_),
                "resume with the text and context that the run was started with");
  window_ = state.window;
}

int64_t usable_context(const TokenView& tokens, int64_t wanted) {
  if (tokens.size() < 2)
    throw Error(ErrorKind::kData, "text",
                fmt::format("{} tokens, at least 2 are needed", tokens.size()), "give more text");
  return std::min(wanted, tokens.size() - 1);
}

}  // namespace cllm
