#include "model/generator.h"

#include <algorithm>

#include "base/clock.h"
#include "text/utf8_stream.h"

namespace cllm {
namespace {

// Tokens of a prompt that are read at once: enough rows to fill the matrix product's tiles.
constexpr int64_t kPromptChunk = 128;

nn::PlanShape inference_shape(const Transformer& model, int64_t chunk) {
  return {.B = 1, .T = chunk, .S = model.config().context_length, .training = false};
}

// Holds back text that may be the beginning of a stop string.
class StopFilter {
 public:
  explicit StopFilter(const std::vector<std::string>& stop) : stop_(stop) {}

  // Adds text; returns what is certain now. Sets stopped() if a stop string is complete.
  std::string add(std::string_view text) {
    held_ += text;
    size_t first = std::string::npos;
    for (const std::string& stop : stop_)
      if (!stop.empty()) first = std::min(first, held_.find(stop));
    if (first != std::string::npos) {
      stopped_ = true;
      held_.resize(first);
      return take(held_.size());
    }
    return take(held_.size() - longest_partial());
  }
  std::string rest() { return take(held_.size()); }
  bool stopped() const { return stopped_; }

 private:
  std::string take(size_t bytes) {
    std::string text = held_.substr(0, bytes);
    held_.erase(0, bytes);
    return text;
  }
  // The longest suffix of the held text that begins a stop string.
  size_t longest_partial() const {
    size_t longest = 0;
    for (const std::string& stop : stop_)
      for (size_t bytes = std::min(held_.size(), stop.size()); bytes > longest; --bytes)
        if (std::string_view(held_).substr(held_.size() - bytes) ==
            std::string_view(stop).substr(0, bytes))
          longest = bytes;
    return longest;
  }

  const std::vector<std::string>& stop_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace

Generator::Generator(const Transformer& model, const ops::Context& context, const float* weights)
    : model_(model),
      weights_(weights),
      chunk_(std::min(kPromptChunk, model.config().context_length)),
      session_(model, context, inference_shape(model, chunk_)) {
  const ModelConfig& config = model.config();
  cache_.row_stride = config.kv_head_count() * config.head_width();
  cache_.capacity = config.context_length;
  cache_.layer_stride = cache_.capacity * cache_.row_stride;
  const int64_t half = config.layers * cache_.layer_stride;
  cache_memory_ = Arena(2 * half, "the key/value cache");
  cache_.keys = cache_memory_.data();
  cache_.values = cache_memory_.data() + half;
}

int64_t Generator::memory_bytes() const {
  return session_.arena_bytes() + cache_memory_.bytes();
}

std::span<float> Generator::feed(std::span<const int32_t> tokens) {
  std::span<float> logits;
  while (!tokens.empty()) {
    const size_t count = std::min(tokens.size(), static_cast<size_t>(chunk_));
    logits = session_.extend(tokens.first(count), weights_, cache_);
    tokens = tokens.subspan(count);
  }
  return logits;
}

std::span<float> Generator::read_again(std::span<const int32_t> history) {
  cache_.length = 0;
  return feed(
      history.last(std::min(history.size(), static_cast<size_t>((cache_.capacity + 1) / 2))));
}

Generation Generator::generate(const Tokenizer& tokenizer, std::string_view prompt,
                               const GenerationOptions& options, const TextSink& sink) {
  Generation result;
  std::vector<int32_t> history;
  tokenizer.encode_with_special_tokens(prompt, history);
  if (history.empty()) history.push_back(std::max(tokenizer.end_of_text(), 0));
  result.prompt_tokens = static_cast<int64_t>(history.size());

  const double start = steady_seconds();
  cache_.length = 0;
  std::span<float> logits = feed(std::span<const int32_t>(history).last(
      std::min(history.size(), static_cast<size_t>(cache_.capacity))));
  const double prompt_end = steady_seconds();
  result.prompt_seconds = prompt_end - start;

  Sampler sampler(options.sampling, model_.config().vocabulary_size);
  Utf8Streamer characters;
  StopFilter filter(options.stop);
  const auto emit = [&](const std::string& text) {
    result.text += text;
    return text.empty() || sink(text);
  };
  bool open = true;
  while (open && result.tokens < options.max_tokens) {
    const int32_t token =
        sampler.next(logits.first(static_cast<size_t>(tokenizer.vocabulary_size())), history);
    ++result.tokens;
    if (token == tokenizer.end_of_text()) {
      result.reason = StopReason::kEndToken;
      break;
    }
    history.push_back(token);
    open = emit(filter.add(characters.push(tokenizer.bytes_of(token))));
    if (filter.stopped()) {
      result.reason = StopReason::kStopString;
      break;
    }
    if (result.tokens == options.max_tokens) break;
    logits = cache_.length < cache_.capacity ? feed(std::span<const int32_t>(&history.back(), 1))
                                             : read_again(history);
  }
  if (!open) result.reason = StopReason::kInterrupted;
  if (open && !filter.stopped()) {
    emit(filter.add(characters.flush()));
    emit(filter.rest());
  }
  result.seconds = steady_seconds() - prompt_end;
  return result;
}

}  // namespace cllm
