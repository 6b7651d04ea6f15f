// Text from a model: prompt, key/value cache, sampling, stop strings. One sequence.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/sampler.h"
#include "model/session.h"
#include "text/tokenizer.h"

namespace cllm {

enum class StopReason { kLength, kEndToken, kStopString, kInterrupted };

struct GenerationOptions {
  int64_t max_tokens = 256;
  std::vector<std::string>
      stop;  // generation ends before the first of these; they are not part of the text
  SamplingOptions sampling;
};

struct Generation {
  std::string text;  // without the prompt
  StopReason reason = StopReason::kLength;
  int64_t prompt_tokens = 0;
  int64_t tokens = 0;
  double prompt_seconds = 0;
  double seconds = 0;  // of the generated tokens
};

// Receives text as it becomes certain: whole UTF-8 characters, nothing that may still become part
// of a stop string. Returning false ends the generation.
using TextSink = std::function<bool(std::string_view)>;

// Not thread-safe. model, context, weights must outlive it. Memory: cache and activations, taken in
// the constructor.
class Generator {
 public:
  Generator(const Transformer& model, const ops::Context& context, const float* weights);

  // Bytes of cache and activations that a Generator takes, from shapes alone.
  static int64_t plan_bytes(const Transformer& model, const ops::Context& context);

  // An empty prompt starts from the end-of-text token (or token 0 without one). A prompt longer
  // than the context keeps its last tokens. When the context is full, generation goes on with its
  // later half re-read.
  Generation generate(const Tokenizer& tokenizer, std::string_view prompt,
                      const GenerationOptions& options, const TextSink& sink);

 private:
  // Feeds tokens, for which the cache must have room; returns the logits after the last.
  std::span<float> feed(std::span<const int32_t> tokens);
  // Feeds the last token of the history; if the cache is full, it is emptied and the last half
  // context of the history is read again.
  std::span<float> feed_last(std::span<const int32_t> history);

  const Transformer& model_;
  const float* weights_;
  int64_t chunk_;
  Session session_;
  Arena cache_memory_;
  nn::KvCache cache_;
};

}  // namespace cllm
