#include "bench/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "bench/limits.h"
#include "model/session.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.1;  // of one measurement at least
constexpr int64_t kChunk = 128;   // tokens of a prompt that are read at once, as Generator does it

DecodeWeights random_weights(const ops::Context& context, const Transformer& model,
                             ops::WeightType type) {
  Arena weights(model.parameters().arena_floats(), "the weights");
  model.initialise(context.pool, 1, weights.data());
  return {model, context, type, std::move(weights)};
}

// A model with random weights and empty caches.
class GenerateProblem {
 public:
  GenerateProblem(const ops::Context& context, const BenchPreset& preset,
                  const GenerateShape& wanted)
      : model_(bench_model(preset)),
        chunk_(std::min(kChunk, model_.config().context_length)),
        shape_(wanted),
        session_(model_, context,
                 {.B = 1,
                  .T = std::max(chunk_, wanted.batch),
                  .S = model_.config().context_length,
                  .training = false,
                  .weights = wanted.weights}),
        weights_(random_weights(context, model_, wanted.weights)) {
    const ModelConfig& config = model_.config();
    const int64_t half = config.context_length / 2;
    shape_.prompt_tokens = std::min(wanted.prompt_tokens, half);
    shape_.tokens = std::min(wanted.tokens, half);
    nn::KvCache cache;
    cache.row_stride = config.kv_head_count() * config.head_width();
    cache.capacity = config.context_length;
    cache.layer_stride = cache.capacity * cache.row_stride;
    const int64_t floats = config.layers * cache.layer_stride;
    memory_ = Arena(2 * wanted.batch * floats, "the key/value caches");
    for (int64_t b = 0; b < wanted.batch; ++b) {
      cache.keys = memory_.data() + 2 * b * floats;
      cache.values = cache.keys + floats;
      caches_.push_back(cache);
    }
    tokens_.assign(static_cast<size_t>(std::max(half, wanted.batch)), 1);
  }

  // Tokens per second.
  double prefill() {
    const auto cache = std::span(caches_).first(1);
    return static_cast<double>(shape_.prompt_tokens) / seconds_per_call(kSeconds, [&] {
             cache[0].length = 0;
             for (int64_t done = 0; done < shape_.prompt_tokens; done += chunk_)
               extend(std::min(chunk_, shape_.prompt_tokens - done), cache);
           });
  }
  // Of all sequences together.
  double decode() {
    return static_cast<double>(shape_.tokens * shape_.batch) / seconds_per_call(kSeconds, [&] {
             for (nn::KvCache& cache : caches_)
               cache.length = shape_.prompt_tokens;
             for (int64_t step = 0; step < shape_.tokens; ++step)
               extend(shape_.batch, caches_);
           });
  }

  const Transformer& model() const { return model_; }
  const GenerateShape& shape() const { return shape_; }

 private:
  void extend(int64_t count, std::span<nn::KvCache> caches) {
    session_.extend(std::span(tokens_).first(static_cast<size_t>(count)), weights_, caches);
  }

  Transformer model_;
  int64_t chunk_;
  GenerateShape shape_;
  Session session_;
  DecodeWeights weights_;
  Arena memory_;
  std::vector<nn::KvCache> caches_;
  std::vector<int32_t> tokens_;
};

// Whether every token meets the whole parameter.
bool is_read(const Transformer& model, const Parameter& parameter) {
  const bool token_table = &parameter == &model.token_table();
  return &parameter != model.position_table() && (!token_table || model.config().tied_head);
}

// Numbers of the weights that every token meets: those behind the model's FLOPs.
double weights_per_token(const Transformer& model) {
  int64_t count = 0;
  for (const Parameter& parameter : model.parameters().all())
    if (is_read(model, parameter)) count += parameter.count;
  return static_cast<double>(count);
}

void append(const BenchPreset& preset, const GenerateProblem& problem,
            std::vector<std::vector<double>> figures, Report& report) {
  const GenerateShape& shape = problem.shape();
  // Of the measured peak: what limits a batch rather than the bandwidth.
  const auto add_peak_share = [&](const std::vector<double>& tokens_per_second, Json& extra) {
    if (figures.size() > 3)
      extra["peak_share"] =
          2e-9 * weights_per_token(problem.model()) * median_ratio(tokens_per_second, figures[3]);
  };
  Json extra = {{"tokens", shape.prompt_tokens}};
  add_peak_share(figures[0], extra);
  report.results.push_back({fmt::format("{} prefill", preset.name), "tokens/s", Better::kHigher,
                            std::move(figures[0]), extra});
  const int64_t bytes =
      decode_bytes(problem.model(), shape, shape.prompt_tokens + shape.tokens / 2);
  const double per_token = 1e-9 * static_cast<double>(bytes) / static_cast<double>(shape.batch);
  extra = {{"tokens", shape.tokens},
           {"sequences", shape.batch},
           {"step_bytes", bytes},
           {"GB/s", per_token * spread(figures[1]).median},
           {"bound_tokens/s", spread(figures[2]).median / per_token},
           {"bandwidth_share", per_token * median_ratio(figures[1], figures[2])}};
  add_peak_share(figures[1], extra);
  report.results.push_back({fmt::format("{} decode", preset.name), "tokens/s", Better::kHigher,
                            std::move(figures[1]), extra});
}

}  // namespace

int64_t decode_bytes(const Transformer& model, const GenerateShape& shape, int64_t length) {
  const ModelConfig& config = model.config();
  const int64_t cache = 2 * config.layers * length * config.kv_head_count() * config.head_width();
  int64_t bytes = shape.batch * cache * static_cast<int64_t>(sizeof(float));
  for (const Parameter& parameter : model.parameters().all())
    if (is_read(model, parameter))
      bytes += parameter.count * (parameter.is_matrix() ? kernels::weight_bytes(shape.weights) : 4);
  return bytes;
}

void measure_generation(const ops::Context& context, const std::vector<BenchPreset>& presets,
                        const GenerateShape& shape, int rounds, const Progressed& progress,
                        Report& report) {
  const auto count = static_cast<int64_t>(presets.size());
  for (int64_t i = 0; i < count; ++i) {
    const BenchPreset& preset = presets[static_cast<size_t>(i)];
    GenerateProblem problem(context, preset, shape);
    const int threads = context.pool.size();
    StreamProblem stream(context, threads, decode_bytes(problem.model(), shape, 0) / threads);
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
