#include "crystal/absorbed_model.h"

#include "base/error.h"
#include "crystal/widened_model.h"
#include "model/decoder_problem.h"

namespace cllm {
namespace {

using testing::Problem;

// Those with dense embeddings come first.
constexpr int kDense = testing::kCombinations / 3;

ModelConfig undropped(int bits) {
  ModelConfig config = testing::combination(bits);
  config.dropout = 0;
  config.ngram_dropout = 0;
  return config;
}

class AbsorbedModelTest : public ::testing::Test {
 protected:
  // The true loss of these weights, in doubles.
  static double loss(const Problem& problem, const Transformer& model, const Arena& weights) {
    const std::vector<double> arena(weights.data(), weights.data() + weights.floats());
    return reference::decoder_loss(model, arena, problem.call, problem.tokens, problem.targets);
  }
  // By how much the loss may change when every weight is rounded to float: to the first order the
  // sum of |derivative| |weight| 2^-24. Twice that leaves room for the second, for rounding that is
  // small against a row's largest number only, and for the derivatives' own error.
  double rounding(const Problem& problem, const ResizedModel& model) const {
    using testing::kB, testing::kT;
    Session session(*model.model, context_, {.B = kB, .T = kT, .S = kT, .training = true});
    std::vector<float> gradients(static_cast<size_t>(model.weights.floats()));
    session.forward_backward({problem.tokens.data(), problem.targets.data(), kB, kT},
                             model.weights.data(), 1.0f, testing::kDropout, gradients.data());
    double sum = 1e-12;
    for (size_t i = 0; i < gradients.size(); ++i)
      sum += std::abs(double{gradients[i]} * model.weights.data()[i]);
    return 2 * testing::kUnit * sum;
  }

  mutable ThreadPool pool_{2};
  const ops::Context context_{pool_, kernels::chosen_table()};
};

TEST_F(AbsorbedModelTest, TurningTheStreamChangesNothing) {
  for (int bits = 0; bits < kDense; bits += 41) {
    const ModelConfig config = undropped(bits);
    SCOPED_TRACE(testing::describe(config));
    const Problem problem(config);
    const double before = problem.loss(testing::widen<testing::Complex>(problem.weights)).real();
    const AbsorbedModel absorbed(problem.model, problem.weights.data(), pool_);
    const std::vector<double> kept(absorbed.sites().size(), 1);
    const auto C = static_cast<size_t>(config.width);
    for (const StreamBasis& basis :
         {leading_coordinates(C, C), testing::some_directions(C, C, absorbed.centred(), pool_)}) {
      const ResizedModel turned = absorbed.resized(basis, kept);
      EXPECT_EQ(turned.model->config().width, config.width);
      EXPECT_LE(std::abs(loss(problem, *turned.model, turned.weights) - before),
                rounding(problem, turned));
    }
    if (HasFailure()) return;
  }
}

TEST_F(AbsorbedModelTest, TheBoundSeesANumberThatIsLeftOut) {
  for (const int bits : {0, 5, 1000, 2071}) {
    const Problem problem(undropped(bits));
    const double before = problem.loss(testing::widen<testing::Complex>(problem.weights)).real();
    const std::vector<double> kept(5, 1);
    for (const char* name : {"blocks.0.attention_norm.gain", "blocks.1.mlp_norm.gain",
                             "final_norm.gain", "blocks.0.mlp.down.weight"}) {
      std::vector<float> weights = problem.weights;
      weights[static_cast<size_t>(problem.model.parameters().find(name)->offset)] += 0.01f;
      const AbsorbedModel absorbed(problem.model, weights.data(), pool_);
      const ResizedModel turned = absorbed.resized(leading_coordinates(8, 8), kept);
      EXPECT_GT(std::abs(loss(problem, *turned.model, turned.weights) - before),
                rounding(problem, turned))
          << name;
    }
  }
}

// A stream that uses 8 of 12 dimensions is narrowed without loss: tables, writers, readers, the
// norms' scale and epsilon, which is large here so that it counts.
TEST_F(AbsorbedModelTest, WhatTheStreamDoesNotUseCostsNothing) {
  for (int bits = 1; bits < kDense; bits += 83) {
    ModelConfig config = undropped(bits);
    config.norm_epsilon = 0.25;
    SCOPED_TRACE(testing::describe(config));
    const Problem problem(config);
    const AbsorbedModel narrow(problem.model, problem.weights.data(), pool_);
    const StreamBasis basis = testing::some_directions(12, 8, narrow.centred(), pool_);
    const ResizedModel wide = testing::widened(narrow, basis);
    const double before = loss(problem, narrow.model(), narrow.weights());
    EXPECT_LE(std::abs(loss(problem, *wide.model, wide.weights) - before), rounding(problem, wide));
    const AbsorbedModel absorbed(*wide.model, wide.weights.data(), pool_);
    const std::vector<double> kept(absorbed.sites().size(), 1);
    const ResizedModel back = absorbed.resized(basis, kept);
    EXPECT_EQ(back.model->config().width, 8);
    const double allowed = rounding(problem, wide) + rounding(problem, back);
    EXPECT_LE(std::abs(loss(problem, *back.model, back.weights) - before), allowed);
    // Other directions would not do.
    const ResizedModel wrong = absorbed.resized(leading_coordinates(12, 8), kept);
    EXPECT_GT(std::abs(loss(problem, *wrong.model, wrong.weights) - before), allowed);
    if (HasFailure()) return;
  }
}

TEST_F(AbsorbedModelTest, KeepsHeadsAndHiddenLayers) {
  ModelConfig config = testing::tiny();
  config.mlp_width = 0;
  const ModelConfig resized = resized_config(config, 5);
  EXPECT_EQ(resized.width, 5);
  EXPECT_EQ(resized.head_width(), 4);
  EXPECT_EQ(resized.mlp_hidden(), 32);
  EXPECT_FALSE(resized.tied_head);
  EXPECT_NO_THROW(resized.validate());
}

TEST_F(AbsorbedModelTest, RefusesEmbeddingsThatItDoesNotKnow) {
  for (const int bits : {kDense, 2 * kDense}) {
    const Problem problem(undropped(bits));
    try {
      const AbsorbedModel absorbed(problem.model, problem.weights.data(), pool_);
      ADD_FAILURE() << testing::describe(problem.model.config());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      EXPECT_TRUE(std::string(error.what()).starts_with("model.embedding: ")) << error.what();
    }
  }
}

TEST_F(AbsorbedModelTest, HasTheSameBitsForAnyNumberOfThreads) {
  const Problem problem(undropped(777));
  std::vector<float> first;
  for (const int threads : {1, 2, 3, 4}) {
    ThreadPool pool(threads);
    const AbsorbedModel absorbed(problem.model, problem.weights.data(), pool);
    const std::vector<double> kept(absorbed.sites().size(), 0.9);
    const ResizedModel model =
        absorbed.resized(testing::some_directions(8, 6, absorbed.centred(), pool), kept);
    const std::vector<float> weights(model.weights.data(),
                                     model.weights.data() + model.weights.floats());
    if (threads == 1) first = weights;
    EXPECT_TRUE(testing::same_bits(weights, first));
  }
}

}  // namespace
}  // namespace cllm
