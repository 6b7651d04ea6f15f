// Tiny decoders of every combination of options with the true derivatives of their loss, for the
// gradient tests.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/session.h"
#include "reference/transformer.h"
#include "testing_codes.h"
#include "testing_tables.h"

namespace cllm::testing {

// fp32 gradients of these sizes are good to about 2e-6 of their norm (measured; the golden models
// give 1.2e-6); the project promises 2e-5.
inline constexpr double kTolerance = 2e-5;
inline constexpr int64_t kB = 2, kT = 5;
inline constexpr DropoutSeed kDropout{.seed = 77, .micro_step = 3};

inline ModelConfig tiny() {
  ModelConfig config;
  config.vocabulary_size = 11;
  config.context_length = 6;
  config.layers = 2;
  config.heads = 2;
  config.width = 8;
  config.mlp_width = 12;
  config.init_deviation = 0.3;
  return config;
}

// 12 = V + 1 is 5 modulo 7 and 12 modulo 13.
inline void remember_ngrams(ModelConfig& config) {
  config.ngram_order = 3;
  config.ngram_modulus_a = 13;
  config.ngram_modulus_b = 7;
  config.ngram_dropout = 0.3;
}

// 11 tokens of 8 numbers each.
inline void choose_embedding(ModelConfig& config, nn::EmbeddingKind kind) {
  config.embedding = kind;
  if (kind == nn::EmbeddingKind::kFactorised) config.embedding_width = 5;
  if (kind == nn::EmbeddingKind::kComposite) {
    config.embedding_primes = 5;
    config.embedding_dense_rows = 2;
  }
}

// Bit by bit the options of a configuration.
inline ModelConfig combination(int bits) {
  const auto take = [&](int choices) {
    const int choice = bits % choices;
    bits /= choices;
    return choice;
  };
  ModelConfig config = tiny();
  config.mlp = static_cast<nn::MlpKind>(take(3));
  config.norm = static_cast<nn::NormKind>(take(2));
  config.position = static_cast<PositionKind>(take(2));
  config.bias = take(2) == 1;
  config.kv_heads = take(2);
  config.qk_norm = take(2) == 1;
  config.logit_softcap = take(2) * 1.5;
  config.tied_head = take(2) == 1;
  config.dropout = take(2) * 0.25;
  config.head_size = take(2) * 6;
  if (take(2) == 1) remember_ngrams(config);
  choose_embedding(config, static_cast<nn::EmbeddingKind>(take(3)));
  return config;
}
inline constexpr int kCombinations = 9 << 10;

inline std::string describe(const ModelConfig& c) {
  return fmt::format(
      "mlp {} norm {} position {} bias {} K {} qk_norm {} cap {} tied {} p {} D {} n {} e {}",
      static_cast<int>(c.mlp), static_cast<int>(c.norm), static_cast<int>(c.position), c.bias,
      c.kv_head_count(), c.qk_norm, c.logit_softcap, c.tied_head, c.dropout, c.head_width(),
      c.ngram_order, static_cast<int>(c.embedding));
}

// A model with random numbers everywhere (gains and biases too) and a batch with one ignored
// target.
struct Problem {
  explicit Problem(const ModelConfig& config)
      : model(config, test_codes(config)),
        weights(static_cast<size_t>(model.parameters().arena_floats())),
        tokens(random_tokens(kB * kT, static_cast<int32_t>(config.vocabulary_size), 1)),
        targets(random_tokens(kB * kT, static_cast<int32_t>(config.vocabulary_size), 2)),
        call{.B = kB,
             .T = kT,
             .dropout = static_cast<double>(static_cast<float>(config.dropout)),
             .dropout_on = true,
             .seed = kDropout.seed,
             .micro_step = static_cast<uint32_t>(kDropout.micro_step)} {
    targets[3] = -1;
    ThreadPool pool(1);
    model.initialise(pool, 5, weights.data());
    uint64_t seed = 100;
    for (const Parameter& parameter : model.parameters().all()) {
      const auto noise = random_vector(static_cast<size_t>(parameter.count), ++seed, 0.2);
      for (size_t i = 0; i < noise.size(); ++i)
        weights[static_cast<size_t>(parameter.offset) + i] += noise[i];
    }
  }

  Complex loss(const std::vector<Complex>& arena) const {
    return reference::decoder_loss(model, arena, call, tokens, targets);
  }

  Transformer model;
  std::vector<float> weights;
  std::vector<int32_t> tokens, targets;
  reference::Call call;
};

struct Result {
  double loss;
  std::vector<float> gradients;
};

inline Result run(const Problem& problem, const ops::Context& context,
                  ops::Storage storage = ops::Storage::kFp32,
                  nn::Recompute recompute = nn::Recompute::kNone) {
  Session session(
      problem.model, context,
      {.B = kB, .T = kT, .S = kT, .training = true, .storage = storage, .recompute = recompute});
  Result result;
  result.gradients.resize(problem.weights.size());
  result.loss =
      session.forward_backward({problem.tokens.data(), problem.targets.data(), kB, kT},
                               problem.weights.data(), 1.0f, kDropout, result.gradients.data());
  return result;
}

// One random direction within one parameter, the derivative of the true loss along it.
struct Direction {
  const Parameter* parameter;
  std::vector<float> values;
  double derivative;
};

inline std::vector<Direction> directions_of(const Problem& problem) {
  constexpr double h = 1e-30;
  std::vector<Direction> directions;
  std::vector<Complex> arena = widen<Complex>(problem.weights);
  for (const Parameter& parameter : problem.model.parameters().all()) {
    Direction direction{&parameter,
                        random_vector(static_cast<size_t>(parameter.count), directions.size()), 0};
    const auto begin = static_cast<size_t>(parameter.offset);
    for (size_t i = 0; i < direction.values.size(); ++i)
      arena[begin + i].imag(h * static_cast<double>(direction.values[i]));
    direction.derivative = problem.loss(arena).imag() / h;
    for (size_t i = 0; i < direction.values.size(); ++i)
      arena[begin + i].imag(0);
    directions.push_back(std::move(direction));
  }
  return directions;
}

inline double norm_of(const float* x, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i)
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return std::sqrt(sum);
}

// The first parameter whose gradient disagrees with the true derivative by more than the tolerance
// of its norm, or a little of the whole gradient's where it is all but zero; "" if none does.
inline std::string first_wrong(const std::vector<Direction>& directions,
                               const std::vector<float>& gradients) {
  const double whole = norm_of(gradients.data(), static_cast<int64_t>(gradients.size()));
  for (const Direction& direction : directions) {
    const float* g = gradients.data() + direction.parameter->offset;
    double sum = 0;
    for (size_t i = 0; i < direction.values.size(); ++i)
      sum += static_cast<double>(direction.values[i]) * static_cast<double>(g[i]);
    const double length = norm_of(direction.values.data(), direction.parameter->count);
    const double size = norm_of(g, direction.parameter->count) + 0.01 * whole;
    if (!(std::abs(sum - direction.derivative) <= kTolerance * size * length))
      return fmt::format("{}: {} expected {}", direction.parameter->name, sum,
                         direction.derivative);
  }
  return "";
}

// Checks loss and gradient of the combinations 0, stride, 2 stride, ... for every kernel table.
inline void check_combinations(int stride) {
  ThreadPool pool(2);
  for (int bits = 0; bits < kCombinations; bits += stride) {
    const ModelConfig config = combination(bits);
    SCOPED_TRACE(describe(config));
    const Problem problem(config);
    const double loss = problem.loss(widen<Complex>(problem.weights)).real();
    const std::vector<Direction> directions = directions_of(problem);
    for_each_table([&](const kernels::Table& table) {
      const Result result = run(problem, {pool, table});
      EXPECT_NEAR(result.loss / loss, 1, 1e-6);
      EXPECT_EQ(first_wrong(directions, result.gradients), "");
    });
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace cllm::testing
