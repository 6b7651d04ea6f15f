#include "bench/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "bench/limits.h"
#include "model/session.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.1;  // of one measurement at least
constexpr int64_t kChunk = 128;   // tokens of a prompt that are read at once, as Generator does it

// A model with random weights and an empty cache.
class GenerateProblem {
 public:
  GenerateProblem(const ops::Context& context, const BenchPreset& preset,
                  const GenerateShape& wanted)
      : model_(bench_model(preset)),
        chunk_(std::min(kChunk, model_.config().context_length)),
        session_(model_, context,
                 {.B = 1, .T = chunk_, .S = model_.config().context_length, .training = false}),
        weights_(model_.parameters().arena_floats(), "the weights") {
    const ModelConfig& config = model_.config();
    const int64_t half = config.context_length / 2;
    shape_ = {std::min(wanted.prompt_tokens, half), std::min(wanted.tokens, half)};
    model_.initialise(context.pool, 1, weights_.data());
    cache_.row_stride = config.kv_head_count() * config.head_width();
    cache_.capacity = config.context_length;
    cache_.layer_stride = cache_.capacity * cache_.row_stride;
    const int64_t floats = config.layers * cache_.layer_stride;
    memory_ = Arena(2 * floats, "the key/value cache");
    cache_.keys = memory_.data();
    cache_.values = memory_.data() + floats;
    tokens_.assign(static_cast<size_t>(half), 1);
  }

  // Tokens per second.
  double prefill() {
    return static_cast<double>(shape_.prompt_tokens) / seconds_per_call(kSeconds, [this] {
             cache_.length = 0;
             extend(shape_.prompt_tokens, chunk_);
           });
  }
  double decode() {
    return static_cast<double>(shape_.tokens) / seconds_per_call(kSeconds, [this] {
             cache_.length = shape_.prompt_tokens;
             extend(shape_.tokens, 1);
           });
  }

  const Transformer& model() const { return model_; }
  const GenerateShape& shape() const { return shape_; }

 private:
  void extend(int64_t count, int64_t step) {
    for (int64_t done = 0; done < count; done += step)
      session_.extend(std::span(tokens_).first(static_cast<size_t>(std::min(step, count - done))),
                      weights_.data(), cache_);
  }

  Transformer model_;
  int64_t chunk_;
  GenerateShape shape_;
  Session session_;
  Arena weights_, memory_;
  nn::KvCache cache_;
  std::vector<int32_t> tokens_;
};

// Numbers of the weights that every token meets: those behind the model's FLOPs.
double weights_per_token(const Transformer& model) {
  const ModelConfig& config = model.config();
  int64_t count = 0;
  for (const Parameter& parameter : model.parameters().all()) {
    const bool token_table = &parameter == &model.token_table();
    if (&parameter == model.position_table() || (token_table && !config.tied_head)) continue;
    count += parameter.count;
  }
  return static_cast<double>(count);
}

void append(const BenchPreset& preset, const GenerateProblem& problem,
            std::vector<std::vector<double>> figures, Report& report) {
  const GenerateShape& shape = problem.shape();
  const double prefill = spread(figures[0]).median, decode = spread(figures[1]).median;
  Json extra = {{"tokens", shape.prompt_tokens}};
  if (figures.size() > 3)
    extra["peak_share"] =
        2e-9 * weights_per_token(problem.model()) * prefill / spread(figures[3]).median;
  report.results.push_back({fmt::format("{} prefill", preset.name), "tokens/s", Better::kHigher,
                            std::move(figures[0]), extra});
  const int64_t bytes = decode_bytes(problem.model(), shape.prompt_tokens + shape.tokens / 2);
  const double bandwidth = spread(figures[2]).median;
  extra = {{"tokens", shape.tokens},
           {"bytes_read_per_token", bytes},
           {"GB/s", 1e-9 * static_cast<double>(bytes) * decode},
           {"bound_tokens/s", 1e9 * bandwidth / static_cast<double>(bytes)},
           {"bandwidth_share", 1e-9 * static_cast<double>(bytes) * decode / bandwidth}};
  report.results.push_back({fmt::format("{} decode", preset.name), "tokens/s", Better::kHigher,
                            std::move(figures[1]), extra});
}

}  // namespace

int64_t decode_bytes(const Transformer& model, int64_t length) {
  const ModelConfig& config = model.config();
  const int64_t cache = 2 * config.layers * length * config.kv_head_count() * config.head_width();
  return (static_cast<int64_t>(weights_per_token(model)) + cache) *
         static_cast<int64_t>(sizeof(float));
}

void measure_generation(const ops::Context& context, const std::vector<BenchPreset>& presets,
                        const GenerateShape& shape, int rounds, const Progressed& progress,
                        Report& report) {
  const auto count = static_cast<int64_t>(presets.size());
  for (int64_t i = 0; i < count; ++i) {
    const BenchPreset& preset = presets[static_cast<size_t>(i)];
    GenerateProblem problem(context, preset, shape);
    const int threads = context.pool.size();
    StreamProblem stream(context, threads, decode_bytes(problem.model(), 0) / threads);
    std::vector<Subject> subjects = {[&] { return problem.prefill(); },
                                     [&] { return problem.decode(); },
                                     [&] { return stream.measure(Stream::kRead); }};
    if (const auto* loop = kernels::peak_loop(kernels::PeakKind::kFp32, context.kernels.name))
      subjects.push_back([&, loop] { return measure_peak(context.pool, threads, *loop); });
    append(preset, problem,
           interleave(rounds, subjects,
                      [&](int64_t done, int64_t total) {
                        if (progress) progress(i * total + done, count * total);
                      }),
           report);
  }
}

}  // namespace cllm::bench
