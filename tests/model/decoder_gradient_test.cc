// The whole decoder against the scalar reference: loss and gradient for combinations of options,
// for every kernel table. All combinations: slow_decoder_gradient_test.cc.
#include <gtest/gtest.h>

#include "decoder_problem.h"

namespace cllm {
namespace {

using namespace ::cllm::testing;

// 13 divides no number of choices, so every choice of every option is met with many others.
TEST(DecoderGradient, AlongRandomDirectionsForManyCombinationsOfOptions) {
  check_combinations(13);
}

TEST(DecoderGradient, AWrongGradientOfAnyParameterIsFound) {
  ThreadPool pool(2);
  for (const int bits : {0, 2, 77, 500, 1023, 4 << 10, 7 << 10, kCombinations - 1}) {
    const Problem problem(combination(bits));
    const std::vector<Direction> directions = directions_of(problem);
    const std::vector<float> right = run(problem, {pool, kernels::chosen_table()}).gradients;
    for (const Parameter& parameter : problem.model.parameters().all()) {
      SCOPED_TRACE(parameter.name);
      const auto begin = static_cast<size_t>(parameter.offset);
      std::vector<float> wrong = right;
      for (size_t i = begin; i < begin + static_cast<size_t>(parameter.count); ++i)
        wrong[i] = -wrong[i];
      EXPECT_TRUE(first_wrong(directions, wrong).starts_with(parameter.name));
      wrong = right;
      wrong[begin] = NAN;
      EXPECT_NE(first_wrong(directions, wrong), "");
    }
  }
}

// Every single derivative, for GPT-2, Llama, everything at once, and the kinds of embedding.
TEST(DecoderGradient, EveryElement) {
  ThreadPool pool(2);
  ModelConfig llama = tiny();
  llama.norm = nn::NormKind::kRmsNorm;
  llama.position = PositionKind::kRotary;
  llama.mlp = nn::MlpKind::kSwiglu;
  llama.bias = false;
  llama.kv_heads = 1;
  ModelConfig all = llama;
  all.mlp = nn::MlpKind::kRelu2;
  all.bias = true;
  all.qk_norm = true;
  all.logit_softcap = 2;
  all.tied_head = false;
  all.dropout = 0.2;
  remember_ngrams(all);
  ModelConfig factorised = tiny(), composite = tiny(), own_head = all;
  choose_embedding(factorised, nn::EmbeddingKind::kFactorised);
  choose_embedding(composite, nn::EmbeddingKind::kComposite);
  choose_embedding(own_head, nn::EmbeddingKind::kComposite);
  for (const ModelConfig& config : {tiny(), llama, all, factorised, composite, own_head}) {
    SCOPED_TRACE(describe(config));
    const Problem problem(config);
    const std::vector<double> truth = complex_step_gradient(
        problem.weights, [&](const std::vector<Complex>& arena) { return problem.loss(arena); });
    for_each_table([&](const kernels::Table& table) {
      const std::vector<float> gradients = run(problem, {pool, table}).gradients;
      for (const Parameter& parameter : problem.model.parameters().all()) {
        const auto slice = [&](const auto& arena) {
          const auto begin = arena.begin() + parameter.offset;
          return std::vector(begin, begin + parameter.count);
        };
        double size = 0;
        for (const double x : slice(truth))
          size = std::max(size, std::abs(x));
        EXPECT_TRUE(all_close(slice(gradients), slice(truth), kTolerance * size, 0))
            << parameter.name;
      }
    });
  }
}

// Gradients are added, not stored, and scaled.
TEST(DecoderGradient, AccumulatesScaled) {
  const Problem problem(tiny());
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  Session session(problem.model, context, {.B = kB, .T = kT, .S = kT, .training = true});
  std::vector<float> once(problem.weights.size()), twice(once);
  const Batch batch{problem.tokens.data(), problem.targets.data(), kB, kT};
  session.forward_backward(batch, problem.weights.data(), 1.0f, {}, once.data());
  session.forward_backward(batch, problem.weights.data(), 0.5f, {}, twice.data());
  session.forward_backward(batch, problem.weights.data(), 0.25f, {}, twice.data());
  for (float& x : once)
    x *= 0.75f;
  EXPECT_TRUE(all_close(twice, widen(once), 1e-5 * norm_of(once.data(), 8), 1e-5));
}

}  // namespace
}  // namespace cllm
