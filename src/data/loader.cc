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
      place_(start_of(0)) {}

BatchLoader::Place BatchLoader::start_of(uint64_t epoch) const {
  const int64_t size = tokens_.size();
  CHECK_MSG(batch_ >= 1 && context_ >= 1, "B={} T={}", batch_, context_);
  if (size < context_ + 1)
    throw Error(ErrorKind::kData, "training text",
                fmt::format("{} tokens, but a context of {} needs at least {}", size, context_,
                            context_ + 1),
                size >= 2
                    ? fmt::format("choose a context of {} or less, or give more text", size - 1)
                    : "give more text");
  // Offsets that leave a window.
  const auto offsets = static_cast<uint64_t>(std::min(context_, size - context_));
  const auto offset = static_cast<int64_t>(source_.below(offsets, epoch, 0));
  const int64_t windows = (size - 1 - offset) / context_;
  return {epoch, 0, offset, windows, Permutation(source_, epoch, windows)};
}

int64_t BatchLoader::take_window(Place& place) const {
  if (place.window == place.windows) place = start_of(place.epoch + 1);
  return place.offset + place.order(place.window++) * context_;
}

void BatchLoader::next(int32_t* tokens, int32_t* targets) {
  for (int64_t row = 0; row < batch_; ++row) {
    const int64_t begin = take_window(place_);
    tokens_.copy(begin, context_, tokens + row * context_);
    tokens_.copy(begin + 1, context_, targets + row * context_);
  }
  Place ahead = place_;
  for (int64_t row = 0; row < batch_; ++row)
    tokens_.prefetch(take_window(ahead), context_ + 1);
}

void BatchLoader::restore(LoaderState state) {
  const bool valid_epoch = state.epoch <= UINT32_MAX;
  if (valid_epoch) place_ = start_of(state.epoch);
  if (!valid_epoch || state.window < 0 || state.window > place_.windows)
    throw Error(ErrorKind::kData, "data position",
                fmt::format("window {} of epoch {} does not exist: the epoch has {} windows",
                            state.window, state.epoch, place_.windows),
                "resume with the text and context that the run was started with");
  place_.window = state.window;
}

int64_t usable_context(const TokenView& tokens, int64_t wanted) {
  if (tokens.size() < 2)
    throw Error(ErrorKind::kData, "text",
                fmt::format("{} tokens, at least 2 are needed", tokens.size()), "give more text");
  return std::min(wanted, tokens.size() - 1);
}

}  // namespace cllm
