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

// The way of a token's bytes to the sink: whole characters, then what is certain of them.
class TextOut {
 public:
  TextOut(const std::vector<std::string>& stop, const TextSink& sink)
      : filter_(stop), sink_(sink) {}

  void add(std::string_view bytes) { emit(filter_.add(characters_.push(bytes))); }
  // What was held back; nothing after a stop string or when the sink wants no more.
  void finish() {
    if (closed()) return;
    emit(filter_.add(characters_.flush()));
    emit(filter_.rest());
  }
  bool refused() const { return refused_; }
  bool stopped() const { return filter_.stopped(); }
  bool closed() const { return refused() || stopped(); }
  const std::string& text() const { return text_; }

 private:
  void emit(const std::string& text) {
    text_ += text;
    if (!text.empty() && !sink_(text)) refused_ = true;
  }

  Utf8Streamer characters_;
  StopFilter filter_;
  const TextSink& sink_;
  std::string text_;
  bool refused_ = false;
};

std::vector<int32_t> prompt_tokens(const Tokenizer& tokenizer, std::string_view prompt) {
  std::vector<int32_t> tokens;
  tokenizer.encode_with_special_tokens(prompt, tokens);
  if (tokens.empty()) tokens.push_back(std::max(tokenizer.end_of_text(), 0));
  return tokens;
}

std::span<const int32_t> last_of(std::span<const int32_t> tokens, int64_t most) {
  return tokens.last(std::min(tokens.size(), static_cast<size_t>(most)));
}

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

int64_t Generator::plan_bytes(const Transformer& model, const ops::Context& context) {
  const ModelConfig& config = model.config();
  const Planner plan = Session::plan_only(
      model, context, inference_shape(model, std::min(kPromptChunk, config.context_length)));
  const int64_t cache =
      2 * config.layers * config.context_length * config.kv_head_count() * config.head_width();
  return (plan.arena_floats() + cache) * static_cast<int64_t>(sizeof(float));
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

std::span<float> Generator::feed_last(std::span<const int32_t> history) {
  if (cache_.length < cache_.capacity) return feed(history.last(1));
  cache_.length = 0;
  return feed(last_of(history, (cache_.capacity + 1) / 2));
}

Generation Generator::generate(const Tokenizer& tokenizer, std::string_view prompt,
                               const GenerationOptions& options, const TextSink& sink) {
  Generation result;
  std::vector<int32_t> history = prompt_tokens(tokenizer, prompt);
  result.prompt_tokens = static_cast<int64_t>(history.size());
  const double start = steady_seconds();
  cache_.length = 0;
  std::span<float> logits = feed(last_of(history, cache_.capacity));
  const double prompt_end = steady_seconds();
  result.prompt_seconds = prompt_end - start;

  const auto vocabulary = static_cast<size_t>(tokenizer.vocabulary_size());
  Sampler sampler(options.sampling, model_.config().vocabulary_size);
  TextOut out(options.stop, sink);
  while (result.tokens < options.max_tokens) {
    if (result.tokens > 0) logits = feed_last(history);
    const int32_t token = sampler.next(logits.first(vocabulary), history);
    ++result.tokens;
    if (token == tokenizer.end_of_text()) {
      result.reason = StopReason::kEndToken;
      break;
    }
    history.push_back(token);
    out.add(tokenizer.bytes_of(token));
    if (out.closed()) {
      result.reason = out.refused() ? StopReason::kInterrupted : StopReason::kStopString;
      break;
    }
  }
  out.finish();
  result.text = out.text();
  result.seconds = steady_seconds() - prompt_end;
  return result;
}

}  // namespace cllm
