#include "nn/mlp.h"

#include <gtest/gtest.h>

#include "layer_rig.h"

namespace cllm::nn {
namespace {

using namespace ::cllm::testing;

constexpr int64_t kC = 6, kF = 11;

std::vector<MlpOptions> every_option() {
  std::vector<MlpOptions> all;
  for (const MlpKind kind : {MlpKind::kGelu, MlpKind::kRelu2, MlpKind::kSwiglu})
    for (const bool bias : {false, true})
      all.push_back({.kind = kind, .C = kC, .F = kF, .bias = bias});
  return all;
}

TEST(Mlp, ValuesAndGradients) {
  for_each_context([](const ops::Context& context) {
    for (const MlpOptions& options : every_option()) {
      LayerRig rig(context, 2, 6);
      const Mlp mlp(rig.table(), "m", options);
      const MlpPlan plan = mlp.plan(rig.planner(), "m", rig.shape());
      rig.place(mlp.reduction_floats(rig.rows()));
      const auto count = static_cast<size_t>(rig.rows() * kC);
      const std::vector<float> x = random_vector(count, 1), dy = random_vector(count, 2);
      const std::vector<float> residual = random_vector(count, 3);
      std::vector<float> y = unset(rig.rows() * kC), dx = y;
      std::vector<float> dhidden = unset(mlp.gradient_elements(rig.rows()));
      const nn::Run run = rig.run();
      mlp.forward(run, rig.scratch(), plan, x.data(), {.residual = residual.data()}, y.data());
      mlp.backward(run, rig.scratch(), plan, x.data(), dy.data(), dhidden.data(), dx.data());
      const auto truth = [&](const auto& weights, const auto& z) {
        return reference::plus(reference::mlp(weights, "m", options, z), widen<Complex>(residual));
      };
      EXPECT_TRUE(rig.check(x, y, dy, dx, {}, truth))
          << "kind " << static_cast<int>(options.kind) << " bias " << options.bias;
      rig.gradients()[2] = -rig.gradients()[2];
      EXPECT_FALSE(rig.check(x, y, dy, dx, {}, truth)) << "a wrong gradient of the first matrix";
    }
  });
}

// The plan for inference drops what only the backward needs, and the values stay the same.
TEST(Mlp, InferenceKeepsLessAndGivesTheSame) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const MlpOptions& options : every_option()) {
    LayerRig training(context, 2, 6), inference(context, 2, 6);
    PlanShape shape = inference.shape();
    shape.training = false;
    const Mlp mlp(training.table(), "m", options), same(inference.table(), "m", options);
    const MlpPlan plan = mlp.plan(training.planner(), "m", training.shape());
    const MlpPlan small = same.plan(inference.planner(), "m", shape);
    EXPECT_FALSE(small.hidden.valid());
    training.place(0);
    inference.place(0);
    const auto count = static_cast<size_t>(training.rows() * kC);
    const std::vector<float> x = random_vector(count, 1);
    std::vector<float> a(count), b(count);
    mlp.forward(training.run(), training.scratch(), plan, x.data(), {}, a.data());
    same.forward(inference.run(), inference.scratch(), small, x.data(), {}, b.data());
    EXPECT_TRUE(same_bits(a, b));
  }
}

// A plan for training that evaluates writes only what somebody reads.
TEST(Mlp, EvaluationDoesNotKeepTheHiddenLayer) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const MlpOptions& options : every_option()) {
    LayerRig rig(context, 2, 6);
    const Mlp mlp(rig.table(), "m", options);
    const MlpPlan plan = mlp.plan(rig.planner(), "m", rig.shape());
    rig.place(0);
    nn::Run run = rig.run();
    const auto count = static_cast<size_t>(rig.rows() * kC);
    const std::vector<float> x = random_vector(count, 1);
    std::vector<float> kept(count), evaluated(count);
    mlp.forward(run, rig.scratch(), plan, x.data(), {}, kept.data());
    float& hidden = *run.at(plan.hidden);
    EXPECT_NE(hidden, 0);
    hidden = 0;
    run.training = false;
    mlp.forward(run, rig.scratch(), plan, x.data(), {}, evaluated.data());
    EXPECT_EQ(hidden, 0);
    EXPECT_TRUE(same_bits(evaluated, kept));
  }
}

}  // namespace
}  // namespace cllm::nn
