#include "bench/staircase_worker.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/session.h"
#include "testing.h"

namespace cllm::bench {
namespace {

constexpr int64_t kB = 3, kT = 11, kV = 37;

ModelConfig tiny_model() {
  ModelConfig model;
  model.vocabulary_size = kV;
  model.context_length = kT;
  model.layers = 2;
  model.heads = 3;
  model.width = 24;
  model.init_deviation = 0.2;  // so that no part of the gradient is too small to be noticed
  return model;
}

struct Result {
  double loss = 0;
  std::vector<float> gradients;
};

class StaircaseWorker : public ::testing::Test {
 protected:
  StaircaseWorker() {
    weights = Arena(model.parameters().arena_floats(), "test");
    model.initialise(pool, 7, weights.data());
    // Biases and gains of their own, for the same reason.
    for (const Parameter& parameter : model.parameters().all()) {
      if (parameter.is_matrix()) continue;
      const auto noise = testing::random_vector(static_cast<size_t>(parameter.count),
                                                static_cast<uint64_t>(parameter.offset), 0.1);
      for (int64_t i = 0; i < parameter.count; ++i)
        weights.data()[parameter.offset + i] += noise[static_cast<size_t>(i)];
    }
  }

  template <class Trained>
  Result train(Trained& trained) {
    Result result;
    result.gradients.resize(static_cast<size_t>(model.parameters().arena_floats()));
    result.loss = trained(result.gradients.data());
    return result;
  }
  Result engine() {
    Session session(model, context, {.B = kB, .T = kT, .S = kT, .training = true});
    auto trained = [&](float* gradients) {
      return session.forward_backward(batch, weights.data(), kScale, {}, gradients);
    };
    return train(trained);
  }
  Result plain(const Features& features) {
    const kernels::Table& table = features.simd ? context.kernels : *kernels::find_table("scalar");
    const ops::Context own{features.threads == StairThreads::kOperations ? pool : solo, table};
    PlainWorker worker(features, model, own, kB);
    auto trained = [&](float* gradients) {
      return worker.forward_backward(batch, weights.data(), kScale, gradients);
    };
    train(trained);  // a second pass must find nothing of the first in its buffers
    return train(trained);
  }

  static constexpr float kScale = 1.0f / (kB * kT);
  Transformer model{tiny_model()};
  ThreadPool pool{3}, solo{1};
  ops::Context context{pool, kernels::chosen_table()};
  Arena weights;
  std::vector<int32_t> tokens = testing::random_tokens(kB * kT, kV, 1);
  std::vector<int32_t> targets = testing::random_tokens(kB * kT, kV, 2);
  Batch batch{tokens.data(), targets.data(), kB, kT};
};

// Sums have at most 4 C = 96 terms of magnitude about 1, and there are about 40 of them one after
// the other: 40 sqrt(96) 2^-24 = 2.4e-5 of the gradients' magnitude, which is below 1.
constexpr double kTolerance = 3e-5;

TEST_F(StaircaseWorker, GradientsAreTheEngines) {
  const Result expected = engine();
  for (const Parameter& parameter : model.parameters().all()) {
    const float* gradient = expected.gradients.data() + parameter.offset;
    const float largest = *std::max_element(gradient, gradient + parameter.count);
    ASSERT_GT(largest, 30 * kTolerance) << parameter.name << " would not be missed";
  }
  for (const Stair& stair : stairs()) {
    if (stair.features.engine) continue;
    const Result actual = plain(stair.features);
    EXPECT_NEAR(actual.loss, expected.loss, kTolerance * expected.loss) << stair.name;
    EXPECT_TRUE(testing::all_close(actual.gradients, expected.gradients, kTolerance, 0))
        << stair.name;
  }
}

}  // namespace
}  // namespace cllm::bench
