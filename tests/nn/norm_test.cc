#include "nn/norm.h"

#include <gtest/gtest.h>

#include "layer_rig.h"

namespace cllm::nn {
namespace {

using namespace ::cllm::testing;

constexpr int64_t kC = 19;
constexpr float kEpsilon = 1e-3f;

TEST(Norm, ValuesAndGradients) {
  for_each_context([](const ops::Context& context) {
    for (const NormKind kind : {NormKind::kLayerNorm, NormKind::kRmsNorm}) {
      for (const bool bias : {false, true}) {
        LayerRig rig(context, 3, 7);
        const Norm norm(rig.table(), "n", kind, kC, kEpsilon, bias);
        const NormPlan plan = norm.plan(rig.planner(), "n", rig.rows());
        rig.place(norm.reduction_floats(rig.rows()));
        const auto count = static_cast<size_t>(rig.rows() * kC);
        const std::vector<float> x = random_vector(count, 1), dy = random_vector(count, 2);
        const std::vector<float> before = random_vector(count, 3);
        std::vector<float> y = unset(rig.rows() * kC), dx = before;
        const nn::Run run = rig.run();
        norm.forward(run, plan, rig.rows(), x.data(), y.data());
        norm.backward(run, rig.scratch(), plan, rig.rows(), x.data(), dy.data(), dx.data());
        const auto truth = [&](const auto& weights, const auto& z) {
          return reference::norm(weights, "n", kind, kC, kEpsilon, z);
        };
        EXPECT_TRUE(rig.check(x, y, dy, dx, before, truth)) << "bias " << bias;
        EXPECT_FALSE(rig.check(x, y, dy, dx, {}, truth)) << "dx is added";
        rig.gradients()[4] += 1e-2f;
        EXPECT_FALSE(rig.check(x, y, dy, dx, before, truth)) << "a wrong gain gradient";
      }
    }
  });
}

TEST(Norm, DeclaresABiasOnlyForLayerNorm) {
  ParameterTable table;
  Norm(table, "a", NormKind::kLayerNorm, kC, kEpsilon, true);
  Norm(table, "b", NormKind::kLayerNorm, kC, kEpsilon, false);
  Norm(table, "c", NormKind::kRmsNorm, kC, kEpsilon, true);
  std::vector<std::string> names;
  for (const Parameter& parameter : table.all())
    names.push_back(parameter.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a.gain", "a.bias", "b.gain", "c.gain"}));
  EXPECT_EQ(table.at(0).initial, Initial::kOne);
  EXPECT_EQ(table.at(1).initial, Initial::kZero);
}

}  // namespace
}  // namespace cllm::nn
