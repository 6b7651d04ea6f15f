#include "model/generator.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "base/clock.h"

namespace cllm {
namespace {

// Tokens of a prompt that are read at once: enough rows to fill the matrix product's tiles.
constexpr int64_t kPromptChunk = 128;

int64_t prompt_chunk(const Transformer& model) {
  return std::min(kPromptChunk, model.config().context_length);
}

nn::PlanShape inference_shape(const Transformer& model, ops::WeightType type, int64_t batch) {
  CHECK_MSG(batch >= 1 && batch <= Generator::kMostSequences, "batch={}", batch);
  return {.B = 1,
          .T = std::max(prompt_chunk(model), batch),
          .S = model.config().context_length,
          .training = false,
          .weights = type};
}

int64_t cache_floats(const Transformer& model) {
  const ModelConfig& config = model.config();
  return config.layers * config.context_length * config.kv_head_count() * config.head_width();
}

std::vector<int32_t> prompt_tokens(const Tokenizer& tokenizer, std::string_view prompt) {
  std::vector<int32_t> tokens;
  tokenizer.encode_with_special_tokens(prompt, tokens);
  if (tokens.empty()) tokens.push_back(std::max(tokenizer.end_of_text(), 0));
  return tokens;
}

// Results of a batch as they come, in the order of their prompts.
class Results {
 public:
  Results(size_t prompts, const GenerationProgress& progress)
      : results_(prompts, {.reason = StopReason::kInterrupted}),
        ended_(prompts, false),
        progress_(progress) {}

  void put(size_t index, Generation result) {
    results_[index] = std::move(result);
    ended_[index] = true;
    const size_t before = finished_;
    while (finished_ < ended_.size() && ended_[finished_])
      ++finished_;
    if (finished_ > before && progress_) progress_(std::span(results_).first(finished_));
  }
  // With those that were not begun.
  std::vector<Generation> take() {
    if (finished_ < results_.size() && progress_) progress_(results_);
    return std::move(results_);
  }

 private:
  std::vector<Generation> results_;
  std::vector<bool> ended_;
  size_t finished_ = 0;  // the first ones, without a gap
  const GenerationProgress& progress_;
};

std::span<const int32_t> last_of(std::span<const int32_t> tokens, int64_t most) {
  return tokens.last(std::min(tokens.size(), static_cast<size_t>(most)));
}

}  // namespace

// One prompt on its way.
class Generator::Sequence {
 public:
  Sequence(size_t index, const Tokenizer& tokenizer, std::string_view prompt,
           const GenerationOptions& options, const Transformer& model, TextSink sink)
      : index_(index),
        tokenizer_(&tokenizer),
        max_tokens_(options.max_tokens),
        history_(prompt_tokens(tokenizer, prompt)),
        sampler_(options.sampling, model.config().vocabulary_size),
        out_(options.stop, std::move(sink)) {
    result_.prompt_tokens = static_cast<int64_t>(history_.size());
  }

  size_t index() const { return index_; }
  std::span<const int32_t> history() const { return history_; }
  bool ended() const { return ended_; }
  void count_seconds(double prompt, double tokens) {
    result_.prompt_seconds += prompt;
    result_.seconds += tokens;
  }

  // Takes the next token from the logits of `tokens`, or [V] of all if there are none, unless there
  // are enough.
  void take(std::span<const int32_t> tokens, std::span<float> logits) {
    if (result_.tokens >= max_tokens_) return end(StopReason::kLength);
    const auto vocabulary = static_cast<size_t>(tokenizer_->vocabulary_size());
    if (tokens.empty()) logits = logits.first(vocabulary);
    const int32_t token = sampler_.next(tokens, logits, history_);
    ++result_.tokens;
    if (token == tokenizer_->end_of_text()) return end(StopReason::kEndToken);
    history_.push_back(token);
    out_.add(tokenizer_->bytes_of(token));
    if (out_.closed())
      end(out_.refused() ? StopReason::kInterrupted : StopReason::kStopString);
    else if (result_.tokens >= max_tokens_)
      end(StopReason::kLength);
  }

  void interrupt() { end(StopReason::kInterrupted); }
  Generation finish() {
    out_.finish();
    result_.text = out_.text();
    return std::move(result_);
  }

 private:
  void end(StopReason reason) {
    result_.reason = reason;
    ended_ = true;
  }

  size_t index_;
  const Tokenizer* tokenizer_;
  int64_t max_tokens_;
  std::vector<int32_t> history_;
  Sampler sampler_;
  TextOut out_;
  Generation result_;
  bool ended_ = false;
};

Generator::Generator(const Transformer& model, const ops::Context& context, DecodeWeights weights,
                     int64_t batch)
    : model_(model),
      weights_(std::move(weights)),
      chunk_(prompt_chunk(model)),
      session_(model, context, inference_shape(model, weights_.type(), batch)),
      cache_memory_(2 * batch * cache_floats(model), "the key/value caches") {
  const ModelConfig& config = model.config();
  nn::KvCache cache;
  cache.row_stride = config.kv_head_count() * config.head_width();
  cache.capacity = config.context_length;
  cache.layer_stride = cache.capacity * cache.row_stride;
  for (int64_t b = 0; b < batch; ++b) {
    cache.keys = cache_memory_.data() + 2 * b * cache_floats(model);
    cache.values = cache.keys + cache_floats(model);
    caches_.push_back(cache);
  }
}

int64_t Generator::plan_bytes(const Transformer& model, const ops::Context& context,
                              ops::WeightType type, int64_t batch) {
  const Planner plan = Session::plan_only(model, context, inference_shape(model, type, batch));
  return (plan.arena_floats() + 2 * batch * cache_floats(model)) *
         static_cast<int64_t>(sizeof(float));
}

void Generator::select_candidates(std::unique_ptr<CandidateSelector> selector) {
  selector_ = std::move(selector);
  candidate_logits_.resize(static_cast<size_t>(selector_->count()));
}

std::span<const float> Generator::feed(std::span<const int32_t> tokens, nn::KvCache& cache) {
  std::span<const float> hidden;
  while (!tokens.empty()) {
    const size_t count = std::min(tokens.size(), static_cast<size_t>(chunk_));
    hidden = session_.extend_hidden(tokens.first(count), weights_, {&cache, 1});
    tokens = tokens.subspan(count);
  }
  return hidden;
}

void Generator::take(std::span<const std::unique_ptr<Sequence>> sequences,
                     std::span<const float> hidden, std::span<const nn::KvCache> caches) {
  if (selector_ == nullptr) {
    const std::span<float> logits = session_.head_logits(hidden, weights_, caches);
    const size_t V = logits.size() / sequences.size();
    for (size_t i = 0; i < sequences.size(); ++i)
      sequences[i]->take({}, logits.subspan(i * V, V));
    return;
  }
  const size_t C = hidden.size() / sequences.size();
  for (size_t i = 0; i < sequences.size(); ++i) {
    const std::span<const float> row = hidden.subspan(i * C, C);
    const std::span<const int32_t> tokens = selector_->select(row);
    const std::span<float> logits = std::span(candidate_logits_).first(tokens.size());
    session_.candidate_logits(row, weights_, tokens, logits);
    sequences[i]->take(tokens, logits);
  }
}

void Generator::start(const std::unique_ptr<Sequence>& sequence, nn::KvCache& cache) {
  const double begin = steady_seconds();
  cache.length = 0;
  const std::span<const float> hidden = feed(last_of(sequence->history(), cache.capacity), cache);
  const double read = steady_seconds();
  take({&sequence, 1}, hidden, {&cache, 1});
  sequence->count_seconds(read - begin, steady_seconds() - read);
}

void Generator::make_room(const Sequence& sequence, nn::KvCache& cache) {
  if (cache.length < cache.capacity) return;
  cache.length = 0;
  const auto kept = last_of(sequence.history(), (cache.capacity + 1) / 2);
  feed(kept.first(kept.size() - 1), cache);
}

void Generator::step(std::span<const std::unique_ptr<Sequence>> sequences) {
  const double begin = steady_seconds();
  std::array<int32_t, kMostSequences> tokens;
  for (size_t i = 0; i < sequences.size(); ++i) {
    make_room(*sequences[i], caches_[i]);
    tokens[i] = sequences[i]->history().back();
  }
  const std::span<nn::KvCache> caches = std::span(caches_).first(sequences.size());
  take(sequences,
       session_.extend_hidden(std::span(tokens).first(sequences.size()), weights_, caches), caches);
  const double seconds = steady_seconds() - begin;
  for (const auto& sequence : sequences)
    sequence->count_seconds(0, seconds);
}

std::vector<Generation> Generator::generate(const Tokenizer& tokenizer,
                                            std::span<const std::string> prompts,
                                            const GenerationOptions& options, const BatchSink& sink,
                                            const GenerationProgress& progress) {
  weights_.refresh(session_.context());
  if (selector_ != nullptr) {
    // A list of all tokens lacks none.
    const bool all = selector_->count() >= tokenizer.vocabulary_size();
    options.sampling.require_candidates(all ? std::numeric_limits<int64_t>::max()
                                            : selector_->count());
  }
  Results results(prompts.size(), progress);
  std::vector<std::unique_ptr<Sequence>> active;  // sequence i has cache i
  bool interrupted = false;
  const auto retire = [&](size_t i) {
    Generation result = active[i]->finish();
    interrupted |= result.reason == StopReason::kInterrupted;
    results.put(active[i]->index(), std::move(result));
    std::swap(caches_[i], caches_[active.size() - 1]);
    std::swap(active[i], active.back());
    active.pop_back();
  };
  for (size_t next = 0; !interrupted && (next < prompts.size() || !active.empty());) {
    if (next < prompts.size() && active.size() < caches_.size()) {
      active.push_back(std::make_unique<Sequence>(
          next, tokenizer, prompts[next], options, model_,
          [&sink, next](std::string_view text) { return sink(next, text); }));
      ++next;
      start(active.back(), caches_[active.size() - 1]);
    } else {
      step(active);
    }
    for (size_t i = active.size(); i-- > 0;)
      if (active[i]->ended()) retire(i);
  }
  while (!active.empty()) {
    active.back()->interrupt();
    retire(active.size() - 1);
  }
  return results.take();
}

Generation Generator::generate(const Tokenizer& tokenizer, std::string_view prompt,
                               const GenerationOptions& options, const TextSink& sink) {
  const std::string text(prompt);
  return std::move(
      generate(tokenizer, std::span(&text, 1), options, [&sink](size_t, std::string_view part) {
        return sink(part);
      }).front());
}

}  // namespace cllm
