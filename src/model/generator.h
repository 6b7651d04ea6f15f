// Text from a model: prompts, key/value caches, sampling, stop strings. Several prompts are decoded
// as a batch, one token of each per step, so that the weights are read once for all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/candidates.h"
#include "model/decode_weights.h"
#include "model/generator_text.h"
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
  double seconds = 0;  // of the steps that made its tokens, together with those of others
};

// The TextSink of prompt number `index`.
using BatchSink = std::function<bool(size_t index, std::string_view text)>;
// Receives the results of the first prompts up to one that is still at work, whenever there are
// more of them.
using GenerationProgress = std::function<void(std::span<const Generation> finished)>;

// Not thread-safe. model, context and weights given by address must outlive it. Memory: caches and
// activations, taken in the constructor.
class Generator {
 public:
  // How many prompts may be decoded together.
  static constexpr int64_t kMostSequences = ops::kDecodeRows;

  // Up to `batch` prompts at a time. Error (kMemory).
  Generator(const Transformer& model, const ops::Context& context, DecodeWeights weights,
            int64_t batch);
  // One at a time, with fp32 weights that may change between calls.
  Generator(const Transformer& model, const ops::Context& context, const float* weights)
      : Generator(model, context, DecodeWeights(model, weights), 1) {}

  // Bytes of caches and activations that a Generator takes, from shapes alone.
  static int64_t plan_bytes(const Transformer& model, const ops::Context& context,
                            ops::WeightType type = ops::WeightType::kFp32, int64_t batch = 1);

  const DecodeWeights& weights() const { return weights_; }
  // From now on tokens are chosen among those that it selects, whose logits alone are computed. A
  // text is what it is without a selector as long as the likeliest tokens are selected.
  void select_candidates(std::unique_ptr<CandidateSelector> selector);

  // An empty prompt starts from the end-of-text token (or token 0 without one). A prompt longer
  // than the context keeps its last tokens. When the context is full, generation goes on with its
  // later half re-read. Error (kUsage) for sampling that a selector does not serve
  // (SamplingOptions::require_candidates).
  Generation generate(const Tokenizer& tokenizer, std::string_view prompt,
                      const GenerationOptions& options, const TextSink& sink);

  // The same for several prompts, each with options.sampling.seed: a prompt's text is what it gets
  // alone. When one ends, the next prompt takes its place. A sink's `false` ends them all; those
  // that were not begun have no tokens.
  std::vector<Generation> generate(const Tokenizer& tokenizer, std::span<const std::string> prompts,
                                   const GenerationOptions& options, const BatchSink& sink,
                                   const GenerationProgress& progress = {});

 private:
  class Sequence;

  // Feeds tokens, for which the cache must have room; returns the head's input after the last.
  std::span<const float> feed(std::span<const int32_t> tokens, nn::KvCache& cache);
  // Takes the next token of each from the head's inputs [sequences, C]. caches: of the sequences.
  void take(std::span<const std::unique_ptr<Sequence>> sequences, std::span<const float> hidden,
            std::span<const nn::KvCache> caches);
  // Reads the prompt into the cache and takes the first token.
  void start(const std::unique_ptr<Sequence>& sequence, nn::KvCache& cache);
  // One more token for each, whose caches are the first ones.
  void step(std::span<const std::unique_ptr<Sequence>> sequences);
  // A full cache keeps the last half context of the sequence, without its last token.
  void make_room(const Sequence& sequence, nn::KvCache& cache);

  const Transformer& model_;
  DecodeWeights weights_;
  int64_t chunk_;
  Session session_;
  Arena cache_memory_;
  std::vector<nn::KvCache> caches_;
  std::unique_ptr<CandidateSelector> selector_;
  std::vector<float> candidate_logits_;
};

}  // namespace cllm
